import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { canonicalJson } from '../json.ts';
import type { EntropyModel } from './model.ts';

/** Mean patch length of the released BLT models. */
export const TARGET_PATCH_BYTES = 4.5;
export const CALIBRATION_FILE = 'calibration.json';

/** The threshold of the global rule that gives patches of a wanted mean length. */
export interface Calibration {
  /** Nats; exactly a float32. */
  readonly threshold: number;
  /** Mean patch length aimed at. */
  readonly targetPatchBytes: number;
  /** Mean patch length that the threshold gives on the sample. */
  readonly meanPatchBytes: number;
  readonly sampleBytes: number;
}

/** Reads `calibration.json` of a model folder; undefined where there is none. Throws ModelError where it is malformed. */
export async function readAutoThreshold(dir: string): Promise<number | undefined> {
  const path = join(dir, CALIBRATION_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new ModelError(`${path} cannot be read.`, { code: 'MODEL_CALIBRATION', path, cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelError(`${path} is not valid JSON.`, { code: 'MODEL_CALIBRATION', path, cause });
  }
  const threshold =
    typeof value === 'object' && value !== null && 'auto_threshold' in value ? value.auto_threshold : undefined;
  if (typeof threshold === 'number' && Number.isFinite(threshold)) return Math.fround(threshold);
  throw new ModelError(`${path} has no number "auto_threshold".`, { code: 'MODEL_CALIBRATION', path });
}

/** Writes `calibration.json`, so that `threshold: 'auto'` works with this model. */
export async function writeCalibration(dir: string, calibration: Calibration): Promise<void> {
  const fields = {
    auto_threshold: calibration.threshold,
    target_patch_bytes: calibration.targetPatchBytes,
    mean_patch_bytes: calibration.meanPatchBytes,
    sample_bytes: calibration.sampleBytes,
  };
  await writeFile(join(dir, CALIBRATION_FILE), `${canonicalJson(fields, 2)}\n`);
}

/**
 * The float32 threshold that cuts `samples` into patches of about `targetPatchBytes` bytes. Each sample is a document
 * of its own. Throws ModelError `CALIBRATION_SAMPLE` where there is too little text to say.
 */
export async function calibrate(
  model: EntropyModel,
  samples: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  targetPatchBytes = TARGET_PATCH_BYTES,
): Promise<Calibration> {
  const decisions: Float32Array[] = [];
  let documents = 0;
  let sampleBytes = 0;
  for await (const sample of samples) {
    if (sample.length === 0) continue;
    documents++;
    sampleBytes += sample.length;
    for await (const piece of model.encode(sample)) {
      // the first byte of a document starts a patch whatever its entropy
      decisions.push(piece.offset === 0 ? piece.entropies.slice(1) : piece.entropies);
    }
  }
  const sorted = new Float32Array(sampleBytes - documents);
  let at = 0;
  for (const part of decisions) {
    sorted.set(part, at);
    at += part.length;
  }
  sorted.sort().reverse();
  const starts = Math.round(sampleBytes / targetPatchBytes) - documents;
  const threshold = sorted[Math.max(0, starts)];
  if (threshold === undefined || starts < 1) {
    throw new ModelError(
      `A sample of ${sampleBytes} bytes in ${documents} documents cannot show where patches of ${targetPatchBytes} bytes begin.`,
      { code: 'CALIBRATION_SAMPLE', hint: 'Give longer documents, some 100 KB of the kind of data you have.' },
    );
  }
  const patches = documents + sorted.findIndex((entropy) => entropy <= threshold);
  return { threshold, targetPatchBytes, meanPatchBytes: sampleBytes / patches, sampleBytes };
}

/** A number as it is, rounded to float32; `'auto'` as the model's own. Throws ModelError `NO_CALIBRATION`. */
export function resolveThreshold(
  model: Pick<EntropyModel, 'autoThreshold'> & { readonly dir?: string },
  threshold: number | 'auto',
): number {
  if (threshold !== 'auto') return Math.fround(threshold);
  if (model.autoThreshold !== undefined) return model.autoThreshold;
  throw new ModelError('This model has no calibrated threshold, so threshold "auto" means nothing.', {
    code: 'NO_CALIBRATION',
    path: model.dir,
    hint: `Give a number in nats (the released BLT models use 1.335442066192627), or put a ${CALIBRATION_FILE} into the model folder (calibrate, writeCalibration).`,
  });
}
