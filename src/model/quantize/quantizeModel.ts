import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { OutputError, UsageError } from '../../errors.ts';
import type { BlockType } from '../../kernels/blocks/layout.ts';
import { CALIBRATION_FILE } from '../calibration.ts';
import { realPath } from '../fileStamp.ts';
import { isGguf, type ModelFile, readModelFile } from '../modelFile.ts';
import { openModel } from '../openModel.ts';
import type { FloatType } from '../quantized/writeQuantizedModel.ts';
import { type CalibrationOptions, type CalibrationText, drawText } from './calibrationText.ts';
import { compareModels } from './compareModels.ts';
import { DEFAULT_PERCENTILE } from './floatMatrix.ts';
import { LayerWeights } from './layerWeights.ts';
import {
  type ChosenMethod,
  chosenMethod,
  GGUF_TYPES,
  type GgufTarget,
  isGgufTarget,
  type QuantizeMethod,
  type QuantizeTarget,
} from './method.ts';
import { type QuantizedTensor, type QuantizeReport, tensorClasses, textReport } from './report.ts';
import { tensorErrors } from './tensorErrors.ts';
import { type TensorFacts, type WriteOptions, writeBlocks, writeCodes } from './writeQuantized.ts';

export interface QuantizeOptions {
  readonly to: QuantizeTarget;
  /**
   * A model folder; for the types of GGUF also NAME.gguf. Absent: the model is written to a temporary folder, measured, and
   * removed.
   */
  readonly output?: string | undefined;
  /** See {@link chosenMethod}. */
  readonly method?: QuantizeMethod | undefined;
  /** For `percentile`: above 0, at most 100. Default: 99.9. */
  readonly percentile?: number | undefined;
  /** Text to calibrate on where the method does that, and to compare both models on. */
  readonly calibrate?: (CalibrationOptions & { readonly files: readonly string[] }) | undefined;
  /** Type of the token embeddings and the output weights. Default: `f16` beside weights in fewer bits, else as those. */
  readonly embeddings?: GgufTarget | undefined;
  /** Takes the place of what is there. Default: false. */
  readonly replace?: boolean | undefined;
  /** Told what is being done. */
  readonly onStep?: ((step: string) => void) | undefined;
  /** Told when the model is whole and in its place: what follows only measures. */
  readonly onWritten?: (() => void) | undefined;
  /** Ends the work; nothing that is half written stays. */
  readonly signal?: AbortSignal | undefined;
}

/** The threshold of the released BLT models (arXiv 2412.09871), for models that were not calibrated. */
const RELEASED_THRESHOLD = 1.335442066192627;

/**
 * Writes a model with its linear weights in fewer bits, and measures what that costs: bytes, errors of the weights, and, on
 * text, how entropies, patches and bits per byte of the model have changed. The model is compared as it was written, by
 * running it.
 *
 *     const report = await quantizeModel('models/tiny', { to: 'int8', output: 'tiny-int8' });
 *     report.bytes_before / report.bytes; // how much smaller
 *
 * @throws UsageError `BAD_FLAG` for types, methods and outputs that do not go together
 * @throws OutputError `EXISTS`, and what the disk says; SourceError `NOTHING_TO_READ`; ModelError
 */
export async function quantizeModel(source: string, options: QuantizeOptions): Promise<QuantizeReport> {
  const { to, output, calibrate, onStep = () => {}, signal } = options;
  const method = chosenMethod(to, options.method, calibrate !== undefined);
  requireOutput(source, options);
  if (options.percentile !== undefined && method !== 'percentile') {
    throw new UsageError(`--method ${method} has no percentile`, { code: 'BAD_FLAG', hint: '--method percentile' });
  }
  const model = await readModelFile(source);
  const text = calibrate && (await drawText(calibrate.files, calibrate));
  const scratch = output === undefined ? await mkdtemp(join(tmpdir(), 'sluice-quantize-')) : undefined;
  const target = output ?? join(scratch ?? '', 'model');
  try {
    const facts = await write(model, target, method, text, options);
    if (output !== undefined) options.onWritten?.();
    const made = await readModelFile(target);
    onStep('measuring errors');
    const tensors = measured(model, made, facts);
    const [bytesBefore, bytes] = await Promise.all([fileBytes(model.weights.path), fileBytes(made.weights.path)]);
    const threshold = text && {
      value: model.autoThreshold ?? RELEASED_THRESHOLD,
      own: model.autoThreshold !== undefined,
    };
    const texts = text && (await compared(model, made, text, threshold?.value ?? 0, onStep, signal));
    return {
      output: output ?? null,
      to,
      method,
      bytes_before: bytesBefore,
      bytes,
      model_bytes_before: await modelBytes(model),
      model_bytes: await modelBytes(made),
      classes: tensorClasses(tensors),
      threshold: threshold?.value ?? null,
      threshold_of: threshold === undefined ? null : threshold.own ? 'model' : 'released',
      calibration: texts?.calibration ?? null,
      held_back: texts?.heldBack ?? null,
    };
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

function requireOutput(source: string, { to, output, replace = false }: QuantizeOptions): void {
  if (output === undefined) return;
  if (isGguf(output) && !isGgufTarget(to)) {
    throw new UsageError(`--to ${to} writes a model folder, not ${output}`, {
      code: 'BAD_FLAG',
      hint: 'GGUF files hold q8_0, q6_k, q4_k and floats: --output FOLDER',
    });
  }
  if (realPath(resolve(output)) === realPath(resolve(source))) {
    throw new UsageError(`${output} is the model that it would be made of`, {
      code: 'BAD_FLAG',
      hint: 'give another --output: both models are compared',
    });
  }
  if (!existsSync(output) || replace) return;
  throw new OutputError(`${output} is there already`, {
    code: 'EXISTS',
    path: output,
    hint: 'replace it with --force',
  });
}

function write(
  model: ModelFile,
  target: string,
  method: ChosenMethod,
  text: CalibrationText | undefined,
  { to, embeddings, percentile, replace = false, signal, onStep }: QuantizeOptions,
): Promise<TensorFacts[]> {
  const options: WriteOptions = {
    replace,
    signal,
    onTensor: (index, tensors) => onStep?.(`${index} of ${tensors} tensors`),
  };
  if (isGgufTarget(to)) {
    return writeBlocks(model, target, GGUF_TYPES[to], embeddings && GGUF_TYPES[embeddings], options);
  }
  if (method === 'ggml') throw new RangeError(`${to} is no type of ggml.`);
  const floats = embeddings && floatType(embeddings, to);
  const clip = method === 'percentile' ? (percentile ?? DEFAULT_PERCENTILE) : undefined;
  return writeCodes(model, target, { type: to, method, percentile: clip, text, floats }, options);
}

function floatType(embeddings: GgufTarget, to: QuantizeTarget): FloatType {
  const type: BlockType = GGUF_TYPES[embeddings];
  if (type === 'F16' || type === 'BF16' || type === 'F32') return type;
  throw new UsageError(`--embeddings ${embeddings} does not go with --to ${to}`, {
    code: 'BAD_FLAG',
    hint: 'beside integers they are f16, bf16 or f32',
  });
}

/** Errors that are not known from the writing are read from the two models. */
function measured(model: ModelFile, made: ModelFile, facts: readonly TensorFacts[]): QuantizedTensor[] {
  const before = new LayerWeights(model);
  const after = new LayerWeights(made);
  try {
    return facts.map(({ name, type, asked, bytes, errors, outputError }) => ({
      name,
      type,
      asked,
      bytesBefore: storedBytes(model, name),
      bytes,
      errors: errors ?? tensorErrors(before.tensor(name), after.tensor(name)),
      outputError,
    }));
  } finally {
    before.close();
    after.close();
  }
}

function storedBytes({ weights }: ModelFile, name: string): number {
  const weight = weights.tensors.get(name);
  if (weight === undefined) return 0;
  const { length } = weight;
  return 'scales' in weight ? length + weight.scales.length + (weight.minima?.length ?? 0) : length;
}

async function compared(
  model: ModelFile,
  made: ModelFile,
  { windows, heldBack }: CalibrationText,
  threshold: number,
  onStep: (step: string) => void,
  signal: AbortSignal | undefined,
): Promise<{
  readonly calibration: ReturnType<typeof textReport>;
  readonly heldBack: ReturnType<typeof textReport> | undefined;
}> {
  const before = await openModel(model.path);
  try {
    const after = await openModel(made.path);
    try {
      const compare = async (some: readonly Uint8Array[]) =>
        textReport(await compareModels(before, after, some, threshold, signal));
      onStep('comparing both models on the calibration text');
      const calibration = await compare(windows);
      onStep('comparing both models on text that was held back');
      return { calibration, heldBack: heldBack.length === 0 ? undefined : await compare(heldBack) };
    } finally {
      await after.close();
    }
  } finally {
    await before.close();
  }
}

const fileBytes = async (path: string): Promise<number> => (await stat(path)).size;

async function modelBytes({ path, weights }: ModelFile): Promise<number> {
  const others = ['config.json', CALIBRATION_FILE].map((name) => join(path, name)).filter(existsSync);
  const sizes = await Promise.all([weights.path, ...others].map(fileBytes));
  return sizes.reduce((a, b) => a + b);
}
