import { createReadStream } from 'node:fs';
import { Command } from 'commander';
import { SourceError, UsageError } from '../../errors.ts';
import {
  BOS_ID,
  BYTE_OFFSET,
  DeviceModel,
  defaultModelDir,
  type EntropyModel,
  EOS_ID,
  openModel,
  openOptions,
  type PatcherOptions,
  patchLengths,
  resolveThreshold,
} from '../../model/index.ts';
import { colouredBytes } from '../colouredBytes.ts';
import { bytes as sizeText } from '../format.ts';
import { type ModelFlags, modelSettings, withModelFlags } from '../modelFlags.ts';
import { jsonLine } from '../progress/reporters.ts';
import { showProfile } from '../showProfile.ts';
import { finiteNumber, positiveInteger, selfCommand } from '../values.ts';

interface EntropyFlags extends ModelFlags {
  readonly json?: boolean;
  readonly reference?: boolean;
  readonly model?: string;
  readonly threshold?: string;
  readonly monotonicity?: boolean;
  readonly thresholdAdd?: number;
  readonly maxPatchLength?: number;
}

/** What Meta's released models patch with; used where a model folder has no calibration of its own. */
const RELEASED_THRESHOLD = 1.335442066192627;
/** Every byte becomes a number on the screen or in JSON: larger inputs are a job for a pipeline. */
const LARGEST = 16 << 20;

export function entropyCommand(): Command {
  return withModelFlags(new Command('entropy'))
    .argument('<file...>', 'files to look at; - for standard input')
    .description('show the entropy of every byte and the patches they make')
    .option('--json', 'one JSON object per input: uri, bytes, entropies (nats), patch_lengths, threshold, model')
    .option(
      '--reference',
      'speak in tokens, BOS and EOS included, in independent pieces of 8192: token_ids, entropies, prenorm_l2, patch_lengths',
    )
    .option('--model <path>', 'model folder or .gguf file (default: the embedded model)')
    .option('--threshold <nats>', "patches begin above it; 'auto' for the model's own", 'auto')
    .option('--monotonicity', 'patches begin where the entropy rises by more than the threshold')
    .option('--threshold-add <nats>', 'ask for a rise by more than this too', finiteNumber)
    .option('--max-patch-length <n>', 'cut longer patches', positiveInteger)
    .action(async (files: readonly string[], flags: EntropyFlags) => {
      const model = await openModel(flags.model ?? defaultModelDir(), openOptions({}, modelSettings(flags)));
      const options = patcherOptions(model, flags);
      for (const file of files) {
        const content = await read(file);
        const view = flags.reference
          ? await tokenView(model, content, options)
          : await byteView(model, content, options);
        if (flags.json)
          jsonLine({ uri: file, bytes: content.length, ...view, threshold: options.threshold, model: model.id });
        else show(file, content, view, flags.reference === true);
      }
      if (flags.profile && model instanceof DeviceModel) showProfile(await model.times(), flags.json ?? false);
      await model.close();
    });
}

interface View {
  readonly entropies: readonly number[];
  readonly patch_lengths: readonly number[];
  readonly token_ids?: readonly number[];
  readonly prenorm_l2?: readonly number[];
}

/** Entropy of every byte given all bytes before it, and patches of bytes: the token rule with BOS in front, BOS left out. */
async function byteView(model: EntropyModel, content: Uint8Array, options: PatcherOptions): Promise<View> {
  const entropies = new Float32Array(content.length);
  for await (const piece of model.encode(content)) entropies.set(piece.entropies, piece.offset);
  if (content.length === 0) return { entropies: [], patch_lengths: [] };
  const ids = [BOS_ID, ...Array.from(content, (byte) => byte + BYTE_OFFSET)];
  const lengths = patchLengths(ids, [...entropies, 0], options);
  return { entropies: decimals(entropies), patch_lengths: [...lengths.subarray(1)] };
}

async function tokenView(model: EntropyModel, content: Uint8Array, options: PatcherOptions): Promise<View> {
  const ids = [BOS_ID, ...Array.from(content, (byte) => byte + BYTE_OFFSET), EOS_ID];
  const { entropies, norms } = await model.referenceTokens(ids);
  return {
    token_ids: ids,
    entropies: decimals(entropies),
    prenorm_l2: decimals(norms),
    patch_lengths: [...patchLengths(ids, entropies, options)],
  };
}

/** Nine digits bring every float32 back exactly. */
function decimals(values: Float32Array): number[] {
  return Array.from(values, (value) => Number(value.toPrecision(9)));
}

function patcherOptions(model: EntropyModel, flags: EntropyFlags): PatcherOptions {
  return {
    threshold: thresholdOf(model, flags.threshold ?? 'auto'),
    monotonicity: flags.monotonicity,
    thresholdAdd: flags.thresholdAdd,
    maxPatchLength: flags.maxPatchLength,
  };
}

function thresholdOf(model: EntropyModel, text: string): number {
  if (text !== 'auto') return resolveThreshold(model, numberOrThrow(text));
  if (model.autoThreshold !== undefined) return model.autoThreshold;
  process.stderr.write(
    `${model.dir} has no calibration.json: using the threshold of the released models, ${RELEASED_THRESHOLD}\n`,
  );
  return Math.fround(RELEASED_THRESHOLD);
}

function numberOrThrow(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new UsageError(`--threshold takes a number of nats or 'auto', not '${text}'`, { code: 'BAD_FLAG' });
}

/** Reads a file or standard input, and no more than can be shown: a device or a pipe has no size that could be asked for. */
async function read(file: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of file === '-' ? process.stdin : createReadStream(file)) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > LARGEST) break;
    }
  } catch (cause) {
    const { code = 'UNREADABLE', message } = cause as NodeJS.ErrnoException;
    const hint = code === 'EISDIR' ? `use: ${selfCommand} run ingest --input ${file} --signals` : undefined;
    throw new SourceError(`${file} cannot be read: ${message}`, { code, path: file, hint, cause });
  }
  if (size <= LARGEST) return Buffer.concat(chunks);
  throw new SourceError(`${file} has more than ${sizeText(LARGEST)}`, {
    code: 'TOO_LARGE',
    path: file,
    hint: `use: ${selfCommand} run ingest --input ${file} --signals`,
  });
}

function show(file: string, content: Uint8Array, view: View, tokens: boolean): void {
  const mean = view.entropies.reduce((sum, nats) => sum + nats, 0) / Math.max(1, view.entropies.length);
  const unit = tokens ? 'tokens' : 'bytes';
  process.stdout.write(
    `${file}: ${view.entropies.length} ${unit}, ${view.patch_lengths.length} patches, ` +
      `mean patch ${(view.entropies.length / Math.max(1, view.patch_lengths.length)).toFixed(2)} ${unit}, mean entropy ${mean.toFixed(3)} nats\n`,
  );
  // In token view BOS is a patch of its own; what remains is shown byte by byte all the same.
  const entropies = tokens ? view.entropies.slice(0, content.length) : view.entropies;
  const lengths = tokens ? view.patch_lengths.slice(1) : view.patch_lengths;
  process.stdout.write(
    `${colouredBytes(content, entropies, lengths, process.stdout.isTTY && !process.env['NO_COLOR'])}\n`,
  );
}
