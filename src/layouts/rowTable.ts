import { fieldTensor, isSignal } from '../quantization/fieldTensors.ts';
import type { QuantizedField, QuantizedFieldName } from '../records.ts';
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
import { type FieldReader, openField } from './quantized/fieldReader.ts';
import type { QuantizerPlace } from './quantized/quantizerFile.ts';
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
  readonly #fields: Fields;

  private constructor(tensors: Tensors, format: LayoutFormat, sizes: Sizes, fields: Fields) {
    this.format = format;
    this.patches = sizes.patches;
    this.bytes = sizes.bytes;
    this.dim = sizes.dim;
    this.trailingBytes = sizes.trailingBytes;
    this.#tensors = tensors;
    this.#fields = fields;
    this.held = {
      bytes: tensors.has('bytes'),
      embeddings: sizes.dim > 0,
      prominence: fields.has('prominence'),
      entropy: fields.has('entropy') || tensors.has('entropies'),
      coherence: false,
      signals: fields.has('norms'),
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
   * @throws SluiceError `MISSING_TENSOR`, `WRONG_TENSOR`, `PATCH_PAST_BYTES`, `BAD_VALUE`, `COUNT_MISMATCH`, `HEADER_LIES`, and
   *   what is wrong with quantized fields
   */
  static async open(
    tensors: Tensors,
    format: LayoutFormat,
    place: QuantizerPlace = {},
    signals?: Tensors,
  ): Promise<RowTable> {
    const fields = await fieldsOf(tensors, place);
    const patches = patchesOf(tensors, fields, format);
    const dim = fields.get('embeddings')?.columns ?? 0;
    for (const [field, { rows }] of fields) requireRows(tensors, field, rows, patches);
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
    if (signals !== undefined) {
      for (const field of ['entropies', 'norms'] as const)
        fields.set(field, await openField(signals, field, [bytes], place, bytes));
    }
    const sizes = { patches, bytes, dim, trailingBytes: Math.max(0, (there ?? bytes) - bytes) };
    return new RowTable(tensors, format, sizes, fields);
  }

  async quantized(): Promise<readonly Omit<QuantizedField, 'encoded'>[]> {
    const readers = await Promise.all([...this.#fields.values()].map((reader) => reader.stored()));
    return readers.filter((stored) => stored !== undefined);
  }

  async check(): Promise<void> {
    const { path } = this;
    for (const [field, { columns, rows, isDecoded, floats }] of this.#fields) {
      if (isSignal(field)) continue;
      const step = Math.max(1, Math.floor(SCAN / Math.max(1, columns)));
      // what schemes give back may differ from what was written by a little
      const least = isDecoded ? undefined : LEAST[field];
      for (let from = 0; from < rows && columns > 0; from += step) {
        const values = await floats(from, Math.min(rows, from + step));
        requireFinite(path, fieldTensor(field), values, from * columns, least, columns);
      }
    }
    if (!this.#tensors.has('entropies')) return;
    for await (const { from, values } of this.#tensors.scan('entropies', this.#tensors.floats))
      requireFinite(path, 'entropies', values, from, LEAST.entropy);
  }

  async *rows(options: RowsOptions = {}): AsyncGenerator<PatchRows, void, undefined> {
    const { from = 0, to = this.patches, rowBytes = DEFAULT_ROW_BYTES } = options;
    const tensors = this.#tensors;
    const most = Math.max(1, Math.min(MOST_ROWS, Math.floor(rowBytes / (4 * this.dim + 16))));
    if (!tensors.has('patch_lengths')) {
      for (let first = from; first < to; first += most) {
        const next = Math.min(to, first + most);
        const columns = {
          ...(await this.#perPatch(options, first, next)),
          ...(await this.#asStored(options, [first, next], [0, 0])),
        };
        yield { first, patches: next - first, start: 0, ...columns };
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
        ...(await this.#asStored(options, [first, next], [start, end])),
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
    const read = async (field: 'embeddings' | 'prominence' | 'entropy'): Promise<Partial<PatchRows>> => {
      const reader = wants(options, field) ? this.#fields.get(field) : undefined;
      return reader === undefined || reader.columns === 0 ? {} : { [field]: await reader.floats(from, to) };
    };
    return { ...(await read('embeddings')), ...(await read('prominence')), ...(await read('entropy')) };
  }

  async #perByte(options: RowsOptions, from: number, to: number, lengths: Int32Array): Promise<Partial<PatchRows>> {
    const tensors = this.#tensors;
    const [entropies, norms] = [this.#fields.get('entropies'), this.#fields.get('norms')];
    const isMean = wants(options, 'entropy') && !this.#fields.has('entropy');
    const isWanted = tensors.has('entropies') && (isMean || wants(options, 'nextEntropies'));
    const next = isWanted ? await tensors.floats('entropies', from, to) : undefined;
    return {
      ...(this.held.bytes && wants(options, 'bytes') ? { bytes: await tensors.bytes('bytes', from, to) } : {}),
      ...(next !== undefined && isMean ? { entropy: means(next, lengths) } : {}),
      ...(next !== undefined && wants(options, 'nextEntropies') ? { nextEntropies: next } : {}),
      ...(entropies === undefined || norms === undefined || !wants(options, 'signals')
        ? {}
        : { entropies: await entropies.floats(from, to), norms: await norms.floats(from, to) }),
    };
  }

  /** Quantized fields of what is wanted, as they are kept: of patches [from, to), and of bytes. */
  async #asStored(options: RowsOptions, patches: Rows, bytes: Rows): Promise<Partial<PatchRows>> {
    if (options.asStored !== true) return {};
    const quantized: QuantizedField[] = [];
    for (const [field, reader] of this.#fields) {
      if (!wants(options, isSignal(field) ? 'signals' : field)) continue;
      const [from, to] = isSignal(field) ? bytes : patches;
      const encoded = await reader.encoded(from, to);
      if (encoded !== undefined) quantized.push(encoded);
    }
    return quantized.length === 0 ? {} : { quantized };
  }
}

type Fields = Map<QuantizedFieldName, FieldReader>;
type Rows = readonly [from: number, to: number];

/** Least values of what was written as float32. */
const LEAST = { embeddings: undefined, prominence: 0, entropy: -1e-3 } as const;

/** Numbers that are looked through at a time. */
const SCAN = 1 << 18;

interface Sizes {
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
  readonly trailingBytes: number;
}

/** The fields that a file has for every patch. */
async function fieldsOf(tensors: Tensors, place: QuantizerPlace): Promise<Fields> {
  const fields: Fields = new Map();
  for (const field of ['embeddings', 'prominence', 'entropy'] as const) {
    if (!tensors.holds(field)) {
      requireNoParts(tensors, field);
      continue;
    }
    // an axis of one before all others is an older habit
    const isNested = tensors.header.tensors.get(fieldTensor(field))?.shape.length === (field === 'embeddings' ? 3 : 2);
    const shape = field === 'embeddings' ? [-1, -1] : [-1];
    fields.set(field, await openField(tensors, field, isNested ? [1, ...shape] : shape, place));
  }
  return fields;
}

/** Parts that nothing tells how to read are no reason to go on as if there were none. */
function requireNoParts(tensors: Tensors, field: QuantizedFieldName): void {
  const part = [...tensors.header.tensors.keys()].find((name) => name.startsWith(`${fieldTensor(field)}.`));
  if (part === undefined) return;
  throw badLayout(
    tensors.path,
    'BAD_QUANTIZATION',
    `has ${part}, and does not say how ${field} is quantized`,
    'the metadata of its header have been lost: take the file as it was written',
  );
}

/** How many patches there are, where every tensor that tells says the same. */
function patchesOf(tensors: Tensors, fields: Fields, format: LayoutFormat): number {
  const lengths = tensors.has('patch_lengths') ? tensors.require('patch_lengths', 'I32', [-1]).shape[0] : undefined;
  if (format === 'f4') {
    tensors.require('bytes', 'U8', [-1]);
    return lengths ?? tensors.count('patch_lengths');
  }
  const rows = fields.get('embeddings')?.rows ?? 0;
  if (lengths !== undefined && lengths !== rows) {
    throw badLayout(tensors.path, 'COUNT_MISMATCH', `has ${lengths} patch_lengths for ${rows} embeddings`);
  }
  if (lengths === undefined && tensors.has('bytes'))
    throw badLayout(tensors.path, 'MISSING_TENSOR', "has bytes and no tensor 'patch_lengths'");
  return rows;
}

function requireRows(tensors: Tensors, field: QuantizedFieldName, rows: number, patches: number): void {
  if (rows === patches) return;
  const name = fieldTensor(field);
  throw badLayout(tensors.path, 'COUNT_MISMATCH', `has ${rows} values of ${name} for ${patches} patches`);
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
