import { ModelError, SluiceError } from '../errors.ts';
import { writeGgufFile } from '../formats/gguf/file.ts';
import { decodeBlocks } from '../kernels/blocks/decodeBlocks.ts';
import { encodeBlocks } from '../kernels/blocks/encodeBlocks.ts';
import { type BlockType, blockBytes, blockLayouts } from '../kernels/blocks/layout.ts';
import { FloatRows } from './floatRows.ts';
import { ggufMetadata } from './ggufMetadata.ts';
import { ggufName } from './ggufNames.ts';
import { readModelFile } from './modelFile.ts';

export interface GgufWriteOptions {
  /**
   * Type of the token embeddings and the output weights. Default: `F16` where the linear weights are quantized, else as
   * those. They have only 260 rows, so that F16 costs next to nothing, and every byte passes through both.
   */
  readonly embeddings?: BlockType | undefined;
  /** Told about every tensor once it is written. */
  readonly onTensor?: ((tensor: GgufWrittenTensor, index: number, tensors: number) => void) | undefined;
  /** Ends the work; what was written is removed. */
  readonly signal?: AbortSignal | undefined;
}

export interface GgufWrittenTensor {
  /** In the released layout. */
  readonly name: string;
  readonly type: BlockType;
  /** Another type than `type` where rows are no whole blocks of it. */
  readonly asked: BlockType;
  readonly values: number;
  readonly bytes: number;
  /** Absolute difference between the weights that were read and those that were written. */
  readonly meanError: number;
  readonly maxError: number;
  /** Mean absolute weight: what the errors are to be held against. */
  readonly meanMagnitude: number;
}

export interface GgufWritten {
  /** Of the file. */
  readonly bytes: number;
  readonly tensors: readonly GgufWrittenTensor[];
}

/**
 * Writes a model as a GGUF file of architecture `llama` that {@link readGgufModel} reads. Linear weights become `type`;
 * where their rows are no whole blocks of it Q8_0, or else F16. Norms stay F32. The model is read in pieces of a few MiB;
 * `target` is replaced once the new file is whole. The same model gives the same bytes.
 *
 *     const { bytes, tensors } = await writeGgufModel('models/tiny', 'tiny.gguf', 'Q8_0');
 *
 * @throws ModelError as {@link readModelFile}, and `MODEL_WEIGHT_VALUE` for a weight that is not finite, or too large for
 *   its new type
 */
export async function writeGgufModel(
  source: string,
  target: string,
  type: BlockType,
  options: GgufWriteOptions = {},
): Promise<GgufWritten> {
  const { config, weights, ...thresholds } = await readModelFile(source);
  const written: GgufWrittenTensor[] = [];
  const rows = new FloatRows(weights);
  const specs = [...weights.tensors].map(([name, { shape }]) => {
    const asked = askedType(name, shape, type, options.embeddings);
    const chosen = fittingType(asked, shape.at(-1) ?? 0);
    const chunks = recoded(rows, weights.path, name, chosen, (errors) => {
      const tensor = { name, type: chosen, asked, ...errors };
      written.push(tensor);
      options.onTensor?.(tensor, written.length, weights.tensors.size);
    });
    return { name: ggufName(name), type: chosen, shape, chunks };
  });
  try {
    const bytes = await writeGgufFile(target, ggufMetadata(config, thresholds, type), specs, options.signal);
    return { bytes, tensors: written };
  } finally {
    rows.close();
  }
}

function askedType(
  name: string,
  shape: readonly number[],
  type: BlockType,
  embeddings: BlockType = blockLayouts[type].values > 1 ? 'F16' : type,
): BlockType {
  if (shape.length === 1) return 'F32';
  return name === 'tok_embeddings.weight' || name === 'output.weight' ? embeddings : type;
}

/** The first of the asked type, Q8_0 and F16 whose blocks divide rows of this length. */
function fittingType(asked: BlockType, row: number): BlockType {
  return ([asked, 'Q8_0'] as const).find((type) => row % blockLayouts[type].values === 0) ?? 'F16';
}

type Measured = Pick<GgufWrittenTensor, 'values' | 'bytes' | 'meanError' | 'maxError' | 'meanMagnitude'>;

/** The values of a tensor in another type, some rows at a time, and at its end what that has changed. */
async function* recoded(
  source: FloatRows,
  path: string,
  name: string,
  type: BlockType,
  done: (measured: Measured) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let values = 0;
  let bytes = 0;
  let magnitude = 0;
  let error = 0;
  let maxError = 0;
  for (const before of source.of(name)) {
    const after = new Float32Array(before.length);
    const blocks = new Uint8Array(blockBytes(type, before.length));
    encode(type, before, blocks, { path, name, first: values });
    decodeBlocks(type, blocks, after);
    for (let i = 0; i < before.length; i++) {
      const off = Math.abs((before[i] ?? 0) - (after[i] ?? 0));
      if (!Number.isFinite(off)) throw lost(before[i] ?? 0, type, { path, name, first: values + i });
      magnitude += Math.abs(before[i] ?? 0);
      error += off;
      maxError = Math.max(maxError, off);
    }
    values += before.length;
    bytes += blocks.length;
    yield blocks;
  }
  done({ values, bytes, meanError: error / values, maxError, meanMagnitude: magnitude / values });
}

interface Place {
  readonly path: string;
  readonly name: string;
  /** Of the first value, in the tensor. */
  readonly first: number;
}

function encode(type: BlockType, values: Float32Array, target: Uint8Array, { path, name, first }: Place): void {
  try {
    encodeBlocks(type, values, target);
  } catch (cause) {
    if (!(cause instanceof SluiceError)) throw cause;
    throw new ModelError(`Tensor ${name} in ${path}, from value ${first} on: ${cause.message}`, {
      code: 'MODEL_WEIGHT_VALUE',
      path,
      cause,
      hint: cause.hint,
    });
  }
}

function lost(value: number, type: BlockType, { path, name, first }: Place): ModelError {
  return new ModelError(`Value ${first} of tensor ${name} in ${path} is ${value}, which ${type} cannot hold.`, {
    code: 'MODEL_WEIGHT_VALUE',
    path,
    hint: Number.isFinite(value) ? 'Choose another type, such as bf16.' : 'The weights are damaged.',
  });
}
