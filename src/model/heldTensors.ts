import { ModelError } from '../errors.ts';
import type { Dtype } from '../formats/safetensors/dtype.ts';
import type { TensorEntry } from '../formats/safetensors/read.ts';
import type { ModelConfig } from './config.ts';
import type { BlockWeight } from './weight.ts';

/** The tensors of a safetensors file that holds a model: each is asked for by what it must be. */
export class HeldTensors {
  readonly path: string;
  readonly #found: ReadonlyMap<string, TensorEntry>;
  readonly #config: ModelConfig;
  readonly #asked = new Set<string>();

  constructor(found: ReadonlyMap<string, TensorEntry>, path: string, config: ModelConfig) {
    this.#found = found;
    this.path = path;
    this.#config = config;
  }

  /** Whether a tensor is one of bytes: codes, and no numbers. */
  isBytes(name: string): boolean {
    const dtype = this.#found.get(name)?.dtype;
    return dtype === 'I8' || dtype === 'U8';
  }

  /** @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE` or `MODEL_TENSOR_DTYPE` */
  floats(name: string, shape: readonly number[]): BlockWeight {
    const { dtype, offset, length } = this.tensor(name, shape, ['F32', 'BF16', 'F16']);
    return { dtype, shape, offset, length };
  }

  /** @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE` or `MODEL_TENSOR_DTYPE` */
  tensor<D extends Dtype>(
    name: string,
    shape: readonly number[],
    dtypes: readonly D[],
  ): TensorEntry & { readonly dtype: D } {
    const { path } = this;
    const entry = this.#found.get(name);
    this.#asked.add(name);
    if (entry === undefined) throw this.#missing(name, shape);
    if (entry.shape.length !== shape.length || entry.shape.some((size, axis) => size !== shape[axis])) {
      throw new ModelError(
        `Tensor ${name} in ${path} has the shape [${entry.shape.join(', ')}]; expected [${shape.join(', ')}].`,
        { code: 'MODEL_TENSOR_SHAPE', path, hint: 'config.json and model.safetensors do not belong together.' },
      );
    }
    const dtype = dtypes.find((one) => one === entry.dtype);
    if (dtype !== undefined) return { ...entry, dtype };
    throw new ModelError(`Tensor ${name} in ${path} is ${entry.dtype}; expected ${either(dtypes)}.`, {
      code: 'MODEL_TENSOR_DTYPE',
      path,
      hint: this.isBytes(name) ? 'config.json has no member quantization that explains bytes here.' : undefined,
    });
  }

  /** @throws ModelError `MODEL_TENSOR_UNKNOWN` where the file holds a tensor that was not asked for */
  refuseOthers(): void {
    const { path } = this;
    const unknown = [...this.#found.keys()].filter((name) => !this.#asked.has(name));
    if (unknown.length === 0) return;
    throw new ModelError(
      `${path} holds tensors that the configuration does not explain: ${unknown.slice(0, 5).join(', ')}.`,
      {
        code: 'MODEL_TENSOR_UNKNOWN',
        path,
        hint: `${unknown.length} in all. Does config.json give too few layers (${this.#config.layers})?`,
      },
    );
  }

  #missing(name: string, shape: readonly number[]): ModelError {
    const { path } = this;
    const { layers, dim } = this.#config;
    const some = [...this.#found.keys()].slice(0, 3);
    const such = some.length === 0 ? '' : `, such as ${some.join(', ')}`;
    return new ModelError(`${path} has no tensor ${name}; expected shape [${shape.join(', ')}].`, {
      code: 'MODEL_TENSOR_MISSING',
      path,
      hint: `It holds ${this.#found.size} tensors${such}. config.json asks for ${layers} layers of width ${dim}.`,
    });
  }
}

const either = (names: readonly string[]): string =>
  names.length === 1 ? names.join() : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
