import path from 'node:path';
import { Command } from 'commander';
import { ModelError, SourceError } from '../../errors.ts';
import { iterate } from '../../flow/index.ts';
import { CALIBRATION_FILE } from '../../model/calibration.ts';
import {
  type Calibration,
  calibrate,
  calibrateModalities,
  defaultModelDir,
  openModel,
  TARGET_PATCH_BYTES,
} from '../../model/index.ts';
import { isGguf } from '../../model/modelFile.ts';
import { pretokenize } from '../../operators/index.ts';
import { MODALITIES, type Modality, type Segment } from '../../records.ts';
import { withRun } from '../../run/context.ts';
import { files } from '../../sources/index.ts';
import { bytes } from '../format.ts';
import { jsonLine } from '../progress/reporters.ts';
import { positiveNumber, sizeValue } from '../values.ts';

interface CalibrateFlags {
  readonly model?: string;
  readonly target: number;
  readonly sample: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Bytes of one document at most, as a part of the sample: a few large ones must not speak for all. */
const SHARE = 1 / 16;
/** Bytes of a sample below which its threshold may be that of few documents, and of no others. */
const SMALL_SAMPLE = 16_000;
/** Places of a document that are looked at, where it has as many segments. */
const PIECES = 8;

export function calibrateCommand(): Command {
  return new Command('calibrate')
    .argument('<input...>', 'files, folders or patterns: the kind of data that will be patched, in every modality')
    .description(
      "find the thresholds that 'auto' stands for, one for each modality, and write them into the model folder",
    )
    .option('--model <folder>', 'model folder (default: the embedded model)')
    .option('--target <bytes>', 'mean patch length aimed at', positiveNumber, TARGET_PATCH_BYTES)
    .option('--sample <size>', 'bytes of each modality that are looked at', sizeValue, 400_000)
    .option('--dry-run', 'write nothing')
    .option('--json', 'one JSON object for each modality')
    .action((inputs: readonly string[], flags: CalibrateFlags) => calibrateModel(inputs, flags));
}

async function calibrateModel(inputs: readonly string[], flags: CalibrateFlags): Promise<void> {
  const dir = flags.model ?? defaultModelDir();
  if (isGguf(dir)) {
    throw new ModelError(`${dir} is one file: thresholds are written into model folders.`, {
      code: 'BAD_MODEL_FOLDER',
      path: dir,
      hint: 'Calibrate the folder, then write the file again with sluice quantize.',
    });
  }
  const samples = await sample(inputs, flags.sample);
  if (samples.size === 0) {
    throw new SourceError('nothing in the input could be cut into segments', {
      code: 'NOTHING_TO_READ',
      path: inputs[0],
      hint: 'see what becomes of it: sluice run ingest --input ...',
    });
  }
  const model = await openModel(dir);
  const found: Partial<Record<Modality, Calibration>> = {};
  let tooLittle: ModelError | undefined;
  try {
    for (const modality of MODALITIES) {
      const segments = samples.get(modality);
      if (segments === undefined) continue;
      const one = await calibrate(model, segments, flags.target).catch((error: unknown) => {
        // what there is too little of keeps its threshold; the others need not go without
        if (!(error instanceof ModelError && error.code === 'CALIBRATION_SAMPLE')) throw error;
        tooLittle = error;
        if (samples.size > 1) process.stderr.write(`${modality} keeps its threshold: ${error.message}\n`);
        return undefined;
      });
      if (one === undefined) continue;
      found[modality] = one;
      const { threshold, meanPatchBytes, sampleBytes } = one;
      if (sampleBytes < SMALL_SAMPLE) {
        process.stderr.write(
          `${modality}: a sample of ${bytes(sampleBytes)} is small; give more documents of this kind\n`,
        );
      }
      if (flags.json) jsonLine({ modality, threshold, mean_patch_bytes: meanPatchBytes, sample_bytes: sampleBytes });
      else {
        process.stdout.write(
          `${modality.padEnd(8)}${threshold.toFixed(4)} nats, ${meanPatchBytes.toFixed(2)} bytes a patch (${bytes(sampleBytes)})\n`,
        );
      }
    }
  } finally {
    await model.close();
  }
  if (Object.keys(found).length === 0) throw tooLittle;
  if (flags.dryRun) return;
  await calibrateModalities(dir, found);
  process.stderr.write(`written into ${path.join(dir, CALIBRATION_FILE)}\n`);
}

/** Segments of each modality, up to `most` bytes of it, no more than a share of them from one document. */
async function sample(inputs: readonly string[], most: number): Promise<ReadonlyMap<Modality, Uint8Array[]>> {
  const samples = new Map<Modality, { bytes: number; readonly segments: Uint8Array[] }>();
  let open: Segment[] = [];
  const close = (): void => {
    for (const [modality, segments] of Map.groupBy(open, (segment) => segment.modality)) {
      const own = samples.get(modality) ?? { bytes: 0, segments: [] };
      samples.set(modality, own);
      for (const piece of piecesOf(segments, Math.ceil(most * SHARE))) {
        // a copy: the document that it is a view of need not stay
        const taken = piece.slice(0, most - own.bytes);
        own.bytes += taken.length;
        if (taken.length > 0) own.segments.push(taken);
      }
    }
    open = [];
  };
  const source = files(inputs);
  let rejects = 0;
  const context = { reject: () => void rejects++ };
  for await (const split of source.splits({ splitBytes: 64 << 20, ...context })) {
    const flow = withRun(context, () => iterate(source.read({ ...split, id: '00000' }).pipe(pretokenize())));
    for await (const segment of flow) {
      if (open[0] !== undefined && open[0].document !== segment.document) close();
      open.push(segment);
    }
    close();
  }
  if (rejects > 0) process.stderr.write(`${rejects} records were rejected\n`);
  return new Map([...samples].map(([modality, { segments }]) => [modality, segments]));
}

/** Beginnings of segments that lie at equal distances, of about `most` bytes in all. */
function piecesOf(segments: readonly Segment[], most: number): Uint8Array[] {
  const total = segments.reduce((sum, { bytes: { length } }) => sum + length, 0);
  const count = Math.min(segments.length, Math.max(PIECES, Math.ceil((most * segments.length) / total)));
  const each = Math.ceil(most / count);
  return Array.from({ length: count }, (_, i) =>
    (segments[Math.floor((i * segments.length) / count)]?.bytes ?? new Uint8Array(0)).subarray(0, each),
  );
}
