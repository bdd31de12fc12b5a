import { ModelError } from '../../errors.ts';
import { fileChunks } from '../../formats/fileChunks.ts';
import type { Gpu, Memory, Program } from '../../gpu/index.ts';
import type { Kernel } from '../../kernels/index.ts';
import { matmul } from '../../kernels/matmul/matmul.ts';
import { type PackedWeights, type WeightType, weightLayouts } from '../../kernels/weights/layout.ts';
import { weightsOf } from '../../kernels/weights/pack.ts';
import { requireStamp } from '../fileStamp.ts';
import { FloatRows } from '../floatRows.ts';
import type { ModelFile } from '../modelFile.ts';
import { isQuantized, type QuantizedWeight, type Weight, type WeightDtype, type Weights } from '../weight.ts';
import { deviceWords } from './deviceWords.ts';
import type { GpuWeightForm } from './weightForm.ts';

type MatmulProgram = ReturnType<typeof matmul> extends Kernel<infer S, infer B> ? Program<S, B> : never;

/** Linear weights on the device: one matrix, or several of the same inputs put together. */
export interface Linear {
  readonly program: MatmulProgram;
  readonly words: Memory;
  readonly scales: Memory;
  readonly inputs: number;
  readonly outputs: number;
}

export interface GpuLayer {
  readonly attentionNorm: Memory;
  /** Queries, keys and values. */
  readonly qkv: Linear;
  readonly attended: Linear;
  readonly ffnNorm: Memory;
  /** Gate and up halves. */
  readonly gateUp: Linear;
  readonly down: Linear;
}

/** Types that are multiplied as they lie in the file, or with the same codes and scales in another order. */
const AS_STORED: Partial<Readonly<Record<WeightDtype, WeightType>>> = {
  F32: 'f32',
  BF16: 'bf16',
  F16: 'f16',
  Q4_K: 'q4_k',
  int8: 'int8',
  'int8-channel': 'int8',
  int4: 'int4',
  'int4-64': 'int4',
  ternary: 'ternary',
};

/** All weights of a model on one device. */
export class GpuWeights {
  readonly embeddings: Memory;
  readonly layers: readonly GpuLayer[];
  readonly norm: Memory;
  readonly output: Linear;

  private constructor(embeddings: Memory, layers: readonly GpuLayer[], norm: Memory, output: Linear) {
    this.embeddings = embeddings;
    this.layers = layers;
    this.norm = norm;
    this.output = output;
  }

  /** Uploads all weights, a mebibyte at a time. Throws DeviceError `GPU_MEMORY`, or ModelError `MODEL_FILE`. */
  static async load(gpu: Gpu, { config, weights }: ModelFile, form: GpuWeightForm): Promise<GpuWeights> {
    const upload = new Upload(gpu, weights, form);
    try {
      const layers: GpuLayer[] = [];
      for (let i = 0; i < config.layers; i++) layers.push(await loadLayer(upload, `layers.${i}.`));
      return new GpuWeights(
        await upload.floats('tok_embeddings.weight'),
        layers,
        await upload.floats('norm.weight'),
        await upload.linear('output.weight'),
      );
    } finally {
      upload.close();
      requireStamp(weights.path, weights.stamp);
    }
  }
}

async function loadLayer(upload: Upload, prefix: string): Promise<GpuLayer> {
  const at = (name: string) => `${prefix}${name}.weight`;
  return {
    attentionNorm: await upload.floats(at('attention_norm')),
    qkv: await upload.linear(at('attention.wq'), at('attention.wk'), at('attention.wv')),
    attended: await upload.linear(at('attention.wo')),
    ffnNorm: await upload.floats(at('ffn_norm')),
    gateUp: await upload.linear(at('feed_forward.w1'), at('feed_forward.w3')),
    down: await upload.linear(at('feed_forward.w2')),
  };
}

/** How a matrix is multiplied: as the file has it where that is possible and nothing else was asked for. */
export function weightType(parts: readonly Weight[], form: GpuWeightForm): WeightType {
  if (form !== 'f32') return form;
  const [first] = parts;
  const type = first && AS_STORED[first.dtype];
  const inputs = first?.shape.at(-1) ?? 0;
  const fits = type !== undefined && (hasCodes(first) || inputs % Math.max(4, weightLayouts[type].unit) === 0);
  return fits && parts.every(({ dtype }) => dtype === first?.dtype) ? type : 'f32';
}

const hasCodes = (weight: Weight | undefined): weight is QuantizedWeight => weight !== undefined && isQuantized(weight);

class Upload {
  readonly #gpu: Gpu;
  readonly #weights: Weights;
  readonly #form: GpuWeightForm;
  readonly #rows: FloatRows;

  constructor(gpu: Gpu, weights: Weights, form: GpuWeightForm) {
    this.#gpu = gpu;
    this.#weights = weights;
    this.#form = form;
    this.#rows = new FloatRows(weights);
  }

  /** A tensor as float32. */
  async floats(name: string): Promise<Memory> {
    const { shape } = this.#weight(name);
    const memory = this.#gpu.memory.take(4 * shape.reduce((a, b) => a * b, 1), name, true);
    let offset = 0;
    for (const rows of this.#rows.of(name)) offset = await this.#write(memory, offset, rows);
    return memory;
  }

  /** Matrices of the same inputs as one, in the order of their names. */
  async linear(...names: string[]): Promise<Linear> {
    const parts = names.map((name) => this.#weight(name));
    const inputs = parts[0]?.shape[1] ?? 0;
    const outputs = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    const type = weightType(parts, this.#form);
    const layout = weightLayouts[type];
    const [label] = names;
    const take = (words: number, what: string) => this.#gpu.memory.take(4 * outputs * words, `${label}, ${what}`, true);
    const words = take(layout.words(inputs), 'words');
    const scales = take(layout.scales(inputs), 'scales');
    const isStored = this.#form === 'f32' && parts.every(({ dtype }) => AS_STORED[dtype] === type);
    let [wordsAt, scalesAt] = [0, 0];
    for (const [i, name] of names.entries()) {
      const part = parts[i];
      if (isStored && !hasCodes(part) && inputs % 4 === 0) {
        wordsAt = await this.#stored(words, wordsAt, part);
        continue;
      }
      for (const packed of isStored && hasCodes(part) ? this.#recoded(part) : this.#packed(type, name, inputs)) {
        wordsAt = await this.#write(words, wordsAt, packed.words);
        scalesAt = await this.#write(scales, scalesAt, packed.scales);
      }
    }
    const sizes = { rows: 1, inputs, outputs, accumulate: 0 };
    return { program: await this.#gpu.programs.get(matmul(type), sizes), words, scales, inputs, outputs };
  }

  close(): void {
    this.#rows.close();
  }

  *#packed(type: WeightType, name: string, inputs: number): Iterable<PackedWeights> {
    for (const rows of this.#rows.of(name)) yield weightsOf(type, rows, inputs);
  }

  /** Codes and scales as they are, in the order of the device. */
  *#recoded(weight: QuantizedWeight): Iterable<PackedWeights> {
    for (const rows of this.#rows.packed(weight)) yield deviceWords(rows);
  }

  /** Copies bytes from the file as they are. */
  async #stored(memory: Memory, offset: number, weight: Weight | undefined): Promise<number> {
    if (weight === undefined) return offset;
    const { path } = this.#weights;
    const end = weight.offset + weight.length;
    let at = offset;
    for await (const chunk of fileChunks(path, weight.offset, end)) {
      if (chunk.length % 4 !== 0) break;
      at = await this.#write(memory, at, chunk);
    }
    if (at - offset === weight.length) return at;
    const byte = weight.offset + at - offset;
    throw new ModelError(`${path} ends at byte ${byte}, within the weights.`, {
      code: 'MODEL_FILE',
      path,
      position: { ordinal: 0, byte },
      hint: 'The file was cut or changed since it was opened.',
    });
  }

  async #write(memory: Memory, offset: number, values: Float32Array | Uint32Array | Uint8Array): Promise<number> {
    const { buffer, byteOffset, byteLength } = values;
    if (byteLength > 0)
      await this.#gpu.uploads.write(memory.buffer, offset, new Uint8Array(buffer, byteOffset, byteLength));
    return offset + byteLength;
  }

  #weight(name: string): Weight {
    const weight = this.#weights.tensors.get(name);
    if (weight === undefined) throw new RangeError(`The model needs ${name}, which the weights do not hold.`);
    return weight;
  }
}
