import {
  badLayout,
  DEFAULT_ROW_BYTES,
  type Held,
  type LayoutFormat,
  type PatchRows,
  type PatchTable,
  type RowsOptions,
  requireFinite,
  wants,
} from './layout.ts';
import type { Tensors } from './tensors.ts';

/** Patches looked at in one go, whatever their size. */
const MOST_ROWS = 1 << 16;

/** A file that has one row for each patch: `f4`, `f5`, `corpus`, `sluice`. */
export class RowTable implements PatchTable {
  readonly format: LayoutFormat;
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
  readonly held: Held;
  readonly trailingBytes: number;
  readonly #tensors: Tensors;
  readonly #signals: Tensors | undefined;

  private constructor(tensors: Tensors, format: LayoutFormat, sizes: Sizes, signals: Tensors | undefined) {
    this.format = format;
    this.patches = sizes.patches;
    this.bytes = sizes.bytes;
    this.dim = sizes.dim;
    this.trailingBytes = sizes.trailingBytes;
    this.#tensors = tensors;
    this.#signals = signals;
    this.held = {
      bytes: tensors.has('bytes'),
      embeddings: sizes.dim > 0,
      prominence: tensors.has('prominence'),
      entropy: tensors.has('patch_entropies') || tensors.has('entropies'),
      coherence: false,
      signals: signals !== undefined,
    };
  }

  get path(): string {
    return this.#tensors.path;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#tensors.header.metadata;
  }

  /**
   * Looks at types and shapes and adds up the lengths; everything else is read later.
   * @param signals the file of signals beside a shard of this program
   * @throws SluiceError `MISSING_TENSOR`, `WRONG_TENSOR`, `PATCH_PAST_BYTES`, `BAD_VALUE`, `COUNT_MISMATCH`, `HEADER_LIES`
   */
  static async open(tensors: Tensors, format: LayoutFormat, signals?: Tensors): Promise<RowTable> {
    const patches = patchesOf(tensors, format);
    const dim = tensors.has('embeddings') ? (tensors.entry('embeddings').shape.at(-1) ?? 0) : 0;
    for (const name of ['prominence', 'patch_entropies']) {
      if (format !== 'f4' || tensors.has(name)) requireRow(tensors, name, patches);
    }
    const there = tensors.has('bytes') ? tensors.require('bytes', 'U8', [-1]).length : undefined;
    const bytes = tensors.has('patch_lengths') ? await lengthsSum(tensors, there) : 0;
    if (tensors.has('entropies')) {
      const { shape } = tensors.require('entropies', 'F32', [-1]);
      if (shape[0] !== bytes)
        throw badLayout(tensors.path, 'COUNT_MISMATCH', `has ${shape[0]} entropies for ${bytes} bytes of patches`);
    }
    tensors.requireSaid({ num_patches: patches, n_patches: patches });
    if (there !== undefined) tensors.requireSaid({ total_bytes: there });
    if (dim > 0) tensors.requireSaid({ embed_dim: dim });
    if (signals !== undefined) for (const name of ['entropies', 'norms']) signals.require(name, 'F32', [bytes]);
    const sizes = { patches, bytes, dim, trailingBytes: Math.max(0, (there ?? bytes) - bytes) };
    return new RowTable(tensors, format, sizes, signals);
  }

  async check(): Promise<void> {
    const { path, held } = this;
    const scan = async (name: string, least?: number, width = 1): Promise<void> => {
      const floats = this.#tensors.scan(name, this.#tensors.floats);
      for await (const { from, values } of floats) requireFinite(path, name, values, from, least, width);
    };
    if (held.embeddings) await scan('embeddings', undefined, this.dim);
    if (held.prominence) await scan('prominence', 0);
    if (this.#tensors.has('patch_entropies')) await scan('patch_entropies', -1e-3);
    if (this.#tensors.has('entropies')) await scan('entropies', -1e-3);
  }

  async *rows(options: RowsOptions = {}): AsyncGenerator<PatchRows, void, undefined> {
    const { from = 0, to = this.patches, rowBytes = DEFAULT_ROW_BYTES } = options;
    const tensors = this.#tensors;
    const most = Math.max(1, Math.min(MOST_ROWS, Math.floor(rowBytes / (4 * this.dim + 16))));
    if (!tensors.has('patch_lengths')) {
      for (let first = from; first < to; first += most) {
        const next = Math.min(to, first + most);
        yield { first, patches: next - first, start: 0, ...(await this.#perPatch(options, first, next)) };
      }
      return;
    }
    let start = options.byteFrom ?? (await this.bytesIn(0, from));
    for (let first = from; first < to; ) {
      const ahead = await tensors.ints('patch_lengths', first, Math.min(to, first + most));
      const lengths = fitting(ahead, rowBytes);
      const next = first + lengths.length;
      const end = lengths.reduce((sum, length) => sum + length, start);
      const signals = {
        ...(await this.#perPatch(options, first, next)),
        ...(await this.#perByte(options, start, end, lengths)),
      };
      yield { first, patches: lengths.length, start, lengths, ...signals };
      first = next;
      start = end;
    }
  }

  /** Bytes of patches [from, to). */
  async bytesIn(from: number, to: number): Promise<number> {
    let sum = 0;
    for (let first = from; first < to; first += MOST_ROWS) {
      const lengths = await this.#tensors.ints('patch_lengths', first, Math.min(to, first + MOST_ROWS));
      for (const length of lengths) sum += length;
    }
    return sum;
  }

  async #perPatch(options: RowsOptions, from: number, to: number): Promise<Partial<PatchRows>> {
    const { held, dim } = this;
    const tensors = this.#tensors;
    const isMean = tensors.has('patch_entropies') && wants(options, 'entropy');
    return {
      ...(held.embeddings && wants(options, 'embeddings')
        ? { embeddings: await tensors.floats('embeddings', from * dim, to * dim) }
        : {}),
      ...(held.prominence && wants(options, 'prominence')
        ? { prominence: await tensors.floats('prominence', from, to) }
        : {}),
      ...(isMean ? { entropy: await tensors.floats('patch_entropies', from, to) } : {}),
    };
  }

  async #perByte(options: RowsOptions, from: number, to: number, lengths: Int32Array): Promise<Partial<PatchRows>> {
    const tensors = this.#tensors;
    const signals = wants(options, 'signals') ? this.#signals : undefined;
    const isMean = wants(options, 'entropy') && !tensors.has('patch_entropies');
    const isWanted = tensors.has('entropies') && (isMean || wants(options, 'nextEntropies'));
    const next = isWanted ? await tensors.floats('entropies', from, to) : undefined;
    return {
      ...(this.held.bytes && wants(options, 'bytes') ? { bytes: await tensors.bytes('bytes', from, to) } : {}),
      ...(next !== undefined && isMean ? { entropy: means(next, lengths) } : {}),
      ...(next !== undefined && wants(options, 'nextEntropies') ? { nextEntropies: next } : {}),
      ...(signals === undefined
        ? {}
        : {
            entropies: await signals.floats('entropies', from, to),
            norms: await signals.floats('norms', from, to),
          }),
    };
  }
}

interface Sizes {
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
  readonly trailingBytes: number;
}

/** How many patches there are, where every tensor that tells says the same. */
function patchesOf(tensors: Tensors, format: LayoutFormat): number {
  const lengths = tensors.has('patch_lengths') ? tensors.require('patch_lengths', 'I32', [-1]).shape[0] : undefined;
  if (format === 'f4') {
    tensors.require('bytes', 'U8', [-1]);
    return lengths ?? tensors.count('patch_lengths');
  }
  const { shape } = tensors.entry('embeddings');
  tensors.require('embeddings', 'F32', shape.length === 3 ? [1, -1, -1] : [-1, -1]);
  const rows = shape.at(-2) ?? 0;
  if (lengths !== undefined && lengths !== rows) {
    throw badLayout(tensors.path, 'COUNT_MISMATCH', `has ${lengths} patch_lengths for ${rows} embeddings`);
  }
  if (lengths === undefined && tensors.has('bytes'))
    throw badLayout(tensors.path, 'MISSING_TENSOR', "has bytes and no tensor 'patch_lengths'");
  return rows;
}

function requireRow(tensors: Tensors, name: string, patches: number): void {
  if (!tensors.has(name) && name === 'patch_entropies') return;
  const { shape } = tensors.entry(name);
  tensors.require(name, 'F32', shape.length === 2 ? [1, -1] : [-1]);
  if (shape.at(-1) === patches) return;
  throw badLayout(tensors.path, 'COUNT_MISMATCH', `has ${shape.at(-1)} values of ${name} for ${patches} patches`);
}

async function lengthsSum(tensors: Tensors, there: number | undefined): Promise<number> {
  let sum = 0;
  for await (const { from, values } of tensors.scan('patch_lengths', tensors.ints)) {
    for (const [i, length] of values.entries()) {
      if (length < 1) throw badLayout(tensors.path, 'BAD_VALUE', `has a patch of ${length} bytes`, undefined, from + i);
      sum += length;
      if (there !== undefined && sum > there) {
        throw badLayout(
          tensors.path,
          'PATCH_PAST_BYTES',
          `has ${there} bytes, and patch ${from + i} ends at byte ${sum}`,
          'patches were cut from decoded segments and bytes from the file: the two do not belong together',
          from + i,
        );
      }
    }
  }
  return sum;
}

/** The first of these patches that make up a chunk, at least one. */
function fitting(lengths: Int32Array<ArrayBuffer>, rowBytes: number): Int32Array<ArrayBuffer> {
  let bytes = 0;
  const over = lengths.findIndex((length) => {
    bytes += length;
    return bytes > rowBytes;
  });
  return over < 0 ? lengths : lengths.slice(0, Math.max(1, over));
}

/** Mean of the values of every patch. */
export function means(values: Float32Array, lengths: Int32Array): Float32Array {
  let at = 0;
  return Float32Array.from(lengths, (length) => {
    let sum = 0;
    for (const end = at + length; at < end; at++) sum += values[at] ?? 0;
    return sum / length;
  });
}
