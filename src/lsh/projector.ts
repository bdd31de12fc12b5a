import { PipelineError } from '../errors.ts';
import { powerBelow } from '../kernels/rounding.ts';
import { requireBits, WORD_BITS } from './bitSignature.ts';
import { normalAt } from './hyperplanes.ts';
import { DEFAULT_BITS, requireFinite } from './projections.ts';
import { projectionsWasm } from './projectionsWasm.ts';

export interface ProjectorOptions {
  /** Of a signature, a multiple of 16. Default: 512. */
  readonly bits?: number | undefined;
  /** Numbers of a vector. */
  readonly dim: number;
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  project(normals: number, vectors: number, count: number, dim: number, words: number, signatures: number): void;
}

const PAGE = 65_536;
/** Where the normals begin in the module's memory, which holds nothing of its own beyond. */
const NORMALS = 1024;
const MOST_NORMALS = 1 << 28;
/** Vectors that pass through the memory at once: they stay in the second-level cache beside the normals of one word. */
const VECTOR_BYTES = 192 << 10;

/** Compiled once in a thread, when the first projector is made. */
let compiled: WebAssembly.Module | undefined;

/**
 * Signs vectors as {@link projectionOf} does, in single precision with SIMD instructions. A vector's signature depends on
 * the vector alone, not on those that are signed with it. Takes four bytes for each bit and dimension, 256 KiB for
 * 512 bits of 128 dimensions, which are made anew for each projector: some 2 ms.
 *
 *     const projector = new Projector({ dim: 128 });
 *     const signature = projector.sign([vector])[0];
 *
 * @throws PipelineError `BAD_COMPONENTS`, or `BAD_VECTOR` where bits times dimensions exceed 2^26
 */
export class Projector {
  readonly dim: number;
  readonly bits: number;
  readonly #words: number;
  readonly #most: number;
  readonly #wasm: Exports;
  readonly #vectors: Float32Array;
  readonly #signatures: Uint16Array;

  constructor(options: ProjectorOptions) {
    const { bits = DEFAULT_BITS, dim } = options;
    requireBits(bits);
    if (!Number.isInteger(dim) || dim < 1 || 4 * bits * dim > MOST_NORMALS) {
      throw new PipelineError(`vectors of ${dim} numbers cannot be projected to ${bits} bits`, {
        code: 'BAD_VECTOR',
        hint: 'bits times dimensions are at most 2^26',
      });
    }
    this.dim = dim;
    this.bits = bits;
    this.#words = bits / WORD_BITS;
    this.#most = Math.max(3, Math.floor(VECTOR_BYTES / (4 * dim)));
    compiled ??= new WebAssembly.Module(Buffer.from(projectionsWasm, 'base64'));
    // what the module exports is written in its source
    this.#wasm = new WebAssembly.Instance(compiled, {}).exports as unknown as Exports;
    const { memory } = this.#wasm;
    const vectors = NORMALS + 4 * bits * dim;
    const signatures = vectors + 4 * dim * this.#most;
    const bytes = signatures + 2 * this.#words * this.#most;
    memory.grow(Math.ceil(bytes / PAGE) - memory.buffer.byteLength / PAGE);
    this.#vectors = new Float32Array(memory.buffer, vectors, dim * this.#most);
    this.#signatures = new Uint16Array(memory.buffer, signatures, this.#words * this.#most);
    placeNormals(new Float32Array(memory.buffer, NORMALS, bits * dim), dim);
  }

  /** A signature for each vector; none for a zero vector. Throws PipelineError `BAD_VECTOR`. */
  sign(vectors: readonly Float32Array[]): (Uint16Array<ArrayBuffer> | undefined)[] {
    const signatures: (Uint16Array<ArrayBuffer> | undefined)[] = [];
    for (let first = 0; first < vectors.length; first += this.#most) {
      const some = vectors.slice(first, first + this.#most);
      const scales = some.map((vector, i) => this.#place(vector, i));
      const at = this.#vectors.byteOffset;
      this.#wasm.project(NORMALS, at, some.length, this.dim, this.#words, this.#signatures.byteOffset);
      for (const [i, scale] of scales.entries()) {
        const start = i * this.#words;
        signatures.push(scale === 0 ? undefined : this.#signatures.slice(start, start + this.#words));
      }
    }
    return signatures;
  }

  /** The largest coordinate becomes about 1, by a power of two: sums neither overflow nor vanish, and no bit is lost. */
  #place(vector: Float32Array, place: number): number {
    if (vector.length !== this.dim) {
      throw new RangeError(`A vector of ${vector.length} numbers does not fit a projector of ${this.dim}.`);
    }
    let largest = 0;
    for (let i = 0; i < vector.length; i++) largest = Math.max(largest, Math.abs(vector[i] ?? 0));
    if (!Number.isFinite(largest)) requireFinite(vector);
    const scale = powerBelow(largest);
    const start = place * this.dim;
    for (let i = 0; i < vector.length; i++) this.#vectors[start + i] = (vector[i] ?? 0) / scale;
    return largest;
  }
}

/** Sixteen hyperplanes together; see tools/wasm/projections.as.ts. */
function placeNormals(target: Float32Array, dim: number): void {
  for (let i = 0; i < target.length; i++) {
    const lane = i % WORD_BITS;
    const dimension = ((i - lane) / WORD_BITS) % dim;
    const word = Math.floor(i / (WORD_BITS * dim));
    target[i] = normalAt(word * WORD_BITS + lane, dimension);
  }
}
