import type { ModelFile } from '../../modelFile.ts';
import { TensorReader } from './tensorReader.ts';

const PAGE = 65_536;
const STAGING_BYTES = 1 << 20;

/** What is in no layer, decoded to float32 and kept: embeddings, the last norm, the output weights. */
export class FixedWeights {
  /** f32[dim]. */
  readonly norm: Float32Array;
  /** f32[vocabulary, dim]. */
  readonly output: Float32Array;
  readonly #embeddings: Float32Array;
  readonly #dim: number;

  /** @throws ModelError */
  constructor({ config, weights }: ModelFile) {
    const { dim, vocabSize } = config;
    const sizes = [vocabSize * dim, vocabSize * dim, dim];
    const values = sizes.reduce((a, b) => a + b);
    const bytes = Math.max(STAGING_BYTES, 4 * dim);
    const pages = Math.ceil((4 * values + bytes) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const reader = new TensorReader(weights, memory);
    let address = 0;
    const take = (name: string, count: number): Float32Array => {
      reader.decode(name, address, { address: 4 * values, bytes });
      const tensor = new Float32Array(memory.buffer, address, count);
      address += 4 * count;
      return tensor;
    };
    try {
      this.#dim = dim;
      this.#embeddings = take('tok_embeddings.weight', vocabSize * dim);
      this.output = take('output.weight', vocabSize * dim);
      this.norm = take('norm.weight', dim);
    } finally {
      reader.close();
    }
  }

  /** f32[T, dim]. */
  embed(tokens: Int32Array): Float32Array {
    const dim = this.#dim;
    const rows = new Float32Array(tokens.length * dim);
    tokens.forEach((id, i) => {
      rows.set(this.#embeddings.subarray(id * dim, (id + 1) * dim), i * dim);
    });
    return rows;
  }
}
