import {
  badLayout,
  DEFAULT_ROW_BYTES,
  type Held,
  type LayoutFormat,
  notQuantized,
  type PatchRows,
  type PatchTable,
  type RowsOptions,
  requireFinite,
  wants,
} from './layout.ts';
import { means } from './rowTable.ts';
import type { Tensors } from './tensors.ts';

/** The token of byte b is b + 4 where a file keeps tokens: four special ones come first. */
const BYTE_TOKEN = 4;

interface Shape {
  /** Tokens, special ones included. */
  readonly tokens: number;
  readonly dim: number;
  /** 1 where a token for the beginning and one for the end stand around those of the bytes. */
  readonly special: 0 | 1;
}

/**
 * A file that has one row for each token: `f1`, `f2`, `f3`. A patch gets the mean of its tokens' states, as later writers
 * pooled them. Special tokens belong to no patch.
 */
export class TokenTable implements PatchTable {
  readonly format: LayoutFormat;
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
  readonly held: Held;
  readonly trailingBytes = 0;
  readonly quantized = notQuantized;
  readonly #tensors: Tensors;
  readonly #special: 0 | 1;

  private constructor(tensors: Tensors, format: LayoutFormat, shape: Shape, patches: number) {
    this.format = format;
    this.dim = shape.dim;
    this.bytes = shape.tokens - 2 * shape.special;
    this.patches = patches;
    this.#tensors = tensors;
    this.#special = shape.special;
    this.held = {
      bytes: tensors.has('tokens'),
      embeddings: true,
      prominence: true,
      entropy: tensors.has('entropies'),
      coherence: tensors.has('coherence_scores'),
      signals: false,
    };
  }

  get path(): string {
    return this.#tensors.path;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.#tensors.header.metadata;
  }

  /**
   * Looks at types and shapes and counts the patches.
   * @param hasSpecial whether the first and the last token are special. Default: they are in `f1` and nowhere else
   * @throws SluiceError `MISSING_TENSOR`, `WRONG_TENSOR`, `COUNT_MISMATCH`, `BAD_VALUE`, `HEADER_LIES`
   */
  static async open(tensors: Tensors, format: LayoutFormat, hasSpecial = format === 'f1'): Promise<TokenTable> {
    const { shape } = tensors.require('embeddings', 'F32', [1, -1, -1]);
    const [, tokens = 0, dim = 0] = shape;
    for (const name of ['prominence', 'entropies', 'coherence_scores']) {
      if (name === 'prominence' || tensors.has(name)) tensors.require(name, 'F32', [1, tokens]);
    }
    tensors.require('patch_indices', 'I32', [-1]);
    if (hasSpecial && tokens < 2) {
      throw badLayout(
        tensors.path,
        'COUNT_MISMATCH',
        `has ${tokens} tokens, too few for one at the beginning and one at the end`,
        'say { specialTokens: false } where the writer added none',
      );
    }
    tensors.requireSaid({ embedding_dim: dim });
    await requireAscending(tensors);
    if (format === 'f3') await requireLengths(tensors, tokens);
    else tensors.require('patch_mask', 'I32', [1, tokens]);
    const special = hasSpecial ? 1 : 0;
    let patches = 0;
    for await (const _ of patchesIn(tensors, tokens, special)) patches++;
    return new TokenTable(tensors, format, { tokens, dim, special }, patches);
  }

  async check(): Promise<void> {
    const least: Readonly<Record<string, number>> = { prominence: 0, entropies: -1e-3 };
    for (const name of ['embeddings', 'prominence', 'entropies', 'coherence_scores']) {
      if (!this.#tensors.has(name)) continue;
      const floats = this.#tensors.scan(name, this.#tensors.floats);
      for await (const { from, values } of floats)
        requireFinite(this.path, name, values, from, least[name], name === 'embeddings' ? this.dim : 1);
    }
    if (!this.held.bytes) return;
    for await (const { from, values } of this.#tensors.scan('tokens', this.#tensors.ints))
      bytesOf(this.path, values, from);
  }

  async *rows(options: RowsOptions = {}): AsyncGenerator<PatchRows, void, undefined> {
    const { from = 0, to = this.patches, rowBytes = DEFAULT_ROW_BYTES } = options;
    const most = Math.max(1, Math.floor(rowBytes / (4 * this.dim + 16)));
    let number = -1;
    let chunk: Range[] = [];
    let bytes = 0;
    const tokens = this.bytes + 2 * this.#special;
    for await (const range of patchesIn(this.#tensors, tokens, this.#special)) {
      number++;
      if (number < from) continue;
      if (number >= to) break;
      const length = range.end - range.start;
      if (chunk.length > 0 && (chunk.length >= most || bytes + length > rowBytes)) {
        yield await this.#pooled(number - chunk.length, chunk, options);
        chunk = [];
        bytes = 0;
      }
      chunk.push(range);
      bytes += length;
      if (number === to - 1) break;
    }
    const next = Math.min(number, to - 1) + 1;
    if (chunk.length > 0) yield await this.#pooled(next - chunk.length, chunk, options);
  }

  /** Patches that follow each other without gap. */
  async #pooled(first: number, ranges: readonly Range[], options: RowsOptions): Promise<PatchRows> {
    const tensors = this.#tensors;
    const { held } = this;
    const start = ranges[0]?.start ?? 0;
    const end = ranges.at(-1)?.end ?? start;
    const lengths = Int32Array.from(ranges, (range) => range.end - range.start);
    const [a, b] = [start + this.#special, end + this.#special];
    const pooled = async (name: string): Promise<Float32Array> => means(await tensors.floats(name, a, b), lengths);
    const isMean = held.entropy && wants(options, 'entropy');
    const isNext = held.entropy && wants(options, 'nextEntropies');
    const next = isMean || isNext ? await tensors.floats('entropies', a, b) : undefined;
    return {
      first,
      patches: lengths.length,
      start,
      lengths,
      ...(wants(options, 'embeddings') ? { embeddings: await this.#embeddings(ranges, options) } : {}),
      ...(wants(options, 'prominence') ? { prominence: await pooled('prominence') } : {}),
      ...(held.bytes && wants(options, 'bytes')
        ? { bytes: bytesOf(this.path, await tensors.ints('tokens', a, b), a) }
        : {}),
      ...(next !== undefined && isNext ? { nextEntropies: next } : {}),
      ...(next !== undefined && isMean ? { entropy: means(next, lengths) } : {}),
      ...(held.coherence && wants(options, 'coherence') ? { coherence: await pooled('coherence_scores') } : {}),
    };
  }

  /** Means of the states of each patch; few tokens are in memory at a time, however long a patch is. */
  async #embeddings(ranges: readonly Range[], { rowBytes = DEFAULT_ROW_BYTES }: RowsOptions): Promise<Float32Array> {
    const { dim } = this;
    const most = Math.max(1, Math.floor(rowBytes / (4 * dim)));
    const out = new Float32Array(ranges.length * dim);
    const sums = new Float64Array(dim);
    const last = ranges.at(-1)?.end ?? 0;
    let states: Float32Array = new Float32Array(0);
    let from = 0;
    let until = 0;
    for (const [row, { start, end }] of ranges.entries()) {
      sums.fill(0);
      for (let byte = start; byte < end; byte++) {
        if (byte >= until) {
          from = byte;
          until = Math.min(last, byte + most);
          const shift = this.#special;
          states = await this.#tensors.floats('embeddings', (from + shift) * dim, (until + shift) * dim);
        }
        const at = (byte - from) * dim;
        for (let d = 0; d < dim; d++) sums[d] = (sums[d] ?? 0) + (states[at + d] ?? 0);
      }
      for (let d = 0; d < dim; d++) out[row * dim + d] = (sums[d] ?? 0) / (end - start);
    }
    return out;
  }
}

interface Range {
  /** Bytes [start, end). */
  readonly start: number;
  readonly end: number;
}

/** The bytes of each patch, in order. Tokens before the first start, in a file that is a part of another, are one patch. */
async function* patchesIn(tensors: Tensors, tokens: number, special: 0 | 1): AsyncGenerator<Range, void, undefined> {
  const bytes = tokens - 2 * special;
  let start = 0;
  for await (const token of startsOf(tensors)) {
    const at = Math.min(token - special, bytes);
    if (at <= start) continue;
    yield { start, end: at };
    start = at;
  }
  if (start < bytes) yield { start, end: bytes };
}

/** Tokens at which patches start. The mask is what parts of a file were cut with; their indices count from the whole file. */
async function* startsOf(tensors: Tensors): AsyncGenerator<number, void, undefined> {
  if (tensors.has('patch_lengths')) {
    let start = 0;
    for await (const { values } of tensors.scan('patch_lengths', tensors.ints)) {
      for (const length of values) {
        yield start;
        start += length;
      }
    }
    return;
  }
  for await (const { from, values } of tensors.scan('patch_mask', tensors.ints)) {
    for (const [i, mark] of values.entries()) {
      if (mark === 1) yield from + i;
      else if (mark !== 0) throw badLayout(tensors.path, 'BAD_VALUE', `has patch_mask[${from + i}] = ${mark}`);
    }
  }
}

async function requireAscending(tensors: Tensors): Promise<void> {
  let before = -1;
  for await (const { from, values } of tensors.scan('patch_indices', tensors.ints)) {
    for (const [i, index] of values.entries()) {
      if (index <= before)
        throw badLayout(tensors.path, 'BAD_VALUE', `has patch_indices[${from + i}] = ${index} behind ${before}`);
      before = index;
    }
  }
}

/** Lengths, starts and tokens of an `f3` file say the same. */
async function requireLengths(tensors: Tensors, tokens: number): Promise<void> {
  const patches = tensors.require('patch_lengths', 'I32', [-1]).shape[0] ?? 0;
  tensors.require('patch_indices', 'I32', [patches]);
  tensors.require('tokens', 'I32', [1, tokens]);
  let start = 0;
  for await (const { from, values } of tensors.scan('patch_lengths', tensors.ints)) {
    const indices = await tensors.ints('patch_indices', from, from + values.length);
    for (const [i, length] of values.entries()) {
      if (length < 1) throw badLayout(tensors.path, 'BAD_VALUE', `has a patch of ${length} bytes`, undefined, from + i);
      if (indices[i] !== start)
        throw badLayout(tensors.path, 'COUNT_MISMATCH', `starts patch ${from + i} at ${indices[i]}, not ${start}`);
      start += length;
    }
  }
  if (start > tokens)
    throw badLayout(tensors.path, 'PATCH_PAST_BYTES', `has ${tokens} tokens, and its patches need ${start}`);
  if (start < tokens)
    throw badLayout(tensors.path, 'COUNT_MISMATCH', `has ${tokens} tokens, and its patches hold ${start}`);
}

function bytesOf(path: string, tokens: Int32Array, first: number): Uint8Array {
  const bytes = new Uint8Array(tokens.length);
  for (const [i, token] of tokens.entries()) {
    const byte = token - BYTE_TOKEN;
    if (byte < 0 || byte > 255)
      throw badLayout(path, 'BAD_VALUE', `has the token ${token}, which is no byte`, undefined, first + i);
    bytes[i] = byte;
  }
  return bytes;
}
