import { SluiceError } from '../errors.ts';
import { float32From } from '../formats/littleEndian.ts';
import type { TensorEntry } from '../formats/safetensors/read.ts';
import type { TensorSpec } from '../formats/safetensors/write.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import { QUANTIZED_FIELDS, type QuantizedFieldName } from '../records.ts';
import { type Chain, resolveChain } from './chain.ts';
import { openQuantizer, type Quantizer } from './quantizer.ts';
import type { TrainedTensor } from './scheme.ts';
import type { SchemeSpec } from './schemes.ts';

/** Entry of `__metadata__`, key of Parquet files, row of SQLite's `meta`, array of npz files, member of JSON lines. */
export const QUANTIZATION_KEY = 'quantization';

/** Tensors that fields are in files: a file of patches has the first three, a file of signals the others. */
const TENSORS = {
  embeddings: 'embeddings',
  prominence: 'prominence',
  entropy: 'patch_entropies',
  entropies: 'entropies',
  norms: 'norms',
} as const satisfies Record<QuantizedFieldName, string>;

/** What a file of patches holds of a field that can be quantized, and what a file of signals does. */
export const PATCH_FIELDS = ['embeddings', 'prominence', 'entropy'] as const satisfies QuantizedFieldName[];
export const SIGNAL_FIELDS = ['entropies', 'norms'] as const satisfies QuantizedFieldName[];

/** True of fields with a row for each byte; the others have one for each patch. */
export function isSignal(field: QuantizedFieldName): field is (typeof SIGNAL_FIELDS)[number] {
  return field === 'entropies' || field === 'norms';
}

/** Name of the float32 tensor that a field is, or would be: `patch_entropies` of `entropy`, the others as they are called. */
export function fieldTensor(field: QuantizedFieldName): string {
  return TENSORS[field];
}

/**
 * Name of a part of a field, or of something its schemes have learned: `embeddings.codes`, `embeddings.pq.codebooks`. A part has
 * the shape `[rows, ...part.shape]`.
 */
export function partTensor(field: QuantizedFieldName, part: string): string {
  return `${fieldTensor(field)}.${part}`;
}

const ROW_COLUMNS = { embeddings: 'embedding', prominence: 'prominence', entropy: 'entropy' } as const;

/** Column of a field in tables with a row for each patch; those with a row for each document call it as {@link fieldTensor}. */
export function rowColumn(field: (typeof PATCH_FIELDS)[number]): string {
  return ROW_COLUMNS[field];
}

/** Column, or member of a JSON line, in place of one that a table would have: `embedding_codes` for `embedding`. */
export function partColumn(column: string, part: string): string {
  return `${column}_${part}`;
}

/** The parts of a field as tensors of a file. */
export function partTensors(
  field: QuantizedFieldName,
  { parts }: Pick<Quantizer, 'parts'>,
  rows: number,
): TensorSpec[] {
  return parts.map(({ name, dtype, shape }) => ({ name: partTensor(field, name), dtype, shape: [rows, ...shape] }));
}

/** What the schemes of a field have learned, as tensors of a file. */
export function learnedTensors(
  field: QuantizedFieldName,
  { trained }: Pick<Quantizer, 'trained'>,
): (TensorSpec & Pick<TrainedTensor, 'values'>)[] {
  return trained.map(({ name, shape, values }) => ({ name: partTensor(field, name), dtype: 'F32', shape, values }));
}

/** What a file says of how one of its fields is quantized. */
export interface StoredQuantization {
  readonly field: QuantizedFieldName;
  /** See {@link fieldTensor}. */
  readonly tensor: string;
  readonly chain: Chain;
  readonly columns: number;
  /** Where what it has learned lies; absent where it is in the file itself, or has learned nothing. */
  readonly file?: Quantizer['file'];
}

/** Schemes of a chain in a word, as the facts about an artefact have it: `pca+int8`. */
export function chainName(chain: Chain): string {
  return chain.map(({ scheme }) => scheme).join('+');
}

/** Widths of models are a hundredth of it, and tables of so many numbers can still be made. */
const MOST_COLUMNS = 1 << 20;

type Described = Omit<StoredQuantization, 'tensor'>;

/**
 * The value of {@link QUANTIZATION_KEY}: canonical JSON with an entry for each field,
 * `{"embeddings":{"chain":[{"options":{...},"scheme":"int8"}],"columns":128}}`, and in it `quantizer` and `sha256` where what was
 * learned lies in another file.
 */
export function quantizationText(stored: readonly Described[]): string {
  return canonicalJson(quantizationValue(stored));
}

/** The same as a value, for formats that are JSON. */
export function quantizationValue(stored: readonly Described[]): JsonValue {
  return Object.fromEntries(
    stored.map(({ field, chain, columns, file }) => [
      field,
      {
        chain,
        columns,
        ...(file && { quantizer: file.path, sha256: file.sha256 }),
      },
    ]),
  );
}

/**
 * Reads {@link quantizationText}, in the order of the fields; nothing is quantized where there is none.
 * @throws SluiceError `BAD_QUANTIZATION` where it is not as sluice writes it, or names schemes or options that are not known
 */
export function parseQuantization(text: string | undefined): StoredQuantization[] {
  if (text === undefined) return [];
  try {
    return storedQuantizations(JSON.parse(text));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw bad('it is no JSON', cause);
  }
}

/** As {@link parseQuantization}, of a value that was parsed. */
export function storedQuantizations(value: unknown): StoredQuantization[] {
  if (!isObject(value)) throw bad('it is no object');
  const stored = Object.entries(value).map(([name, said]) => storedQuantization(name, said));
  return QUANTIZED_FIELDS.flatMap((field) => stored.find((one) => one.field === field) ?? []);
}

function storedQuantization(name: string, said: unknown): StoredQuantization {
  const field = QUANTIZED_FIELDS.find((known) => known === name);
  if (field === undefined) throw bad(`it tells of '${name}', which is no field`);
  if (!isObject(said)) throw bad(`what it says of ${field} is no object`);
  const { chain, columns, quantizer, sha256 } = said;
  if (typeof columns !== 'number' || !Number.isSafeInteger(columns) || columns < 1 || columns > MOST_COLUMNS)
    throw bad(`${field} has ${JSON.stringify(columns)} columns`);
  const stored = { field, tensor: fieldTensor(field), chain: chainOf(field, chain), columns };
  if (quantizer === undefined && sha256 === undefined) return stored;
  if (typeof quantizer !== 'string' || typeof sha256 !== 'string' || !isOwnPath(quantizer))
    throw bad(`${field} does not name the file of its quantizer and the hash of that`);
  return { ...stored, file: { path: quantizer, sha256 } };
}

/** Quantizers by field. */
export type Quantizers = ReadonlyMap<QuantizedFieldName, Quantizer>;

/** Tensors of a file, and how to get at what is in them. */
export interface StoredTensors {
  /** Those of a safetensors header, for instance. */
  readonly tensors: ReadonlyMap<string, Pick<TensorEntry, 'name' | 'dtype' | 'shape'>>;
  /** All bytes of one. */
  read(name: string): Promise<Uint8Array>;
}

/**
 * Opens what a tensor was quantized by, with what it has learned: of the same file, or of the one that is named.
 *
 *     for (const stored of parseQuantization(header.metadata['quantization'])) {
 *       const quantizer = await openStored(stored, { tensors: header.tensors, read }, readQuantizers);
 *       requireParts(stored, quantizer, rows, header.tensors);
 *     }
 *
 * @param open opens the file of a quantizer by its path, relative to the output folder; `readQuantizers` gives what is needed
 * @throws SluiceError `BAD_QUANTIZATION` where the file that is named has other bytes or another quantizer, `QUANTIZER_TENSOR` where
 *   something learned is missing or misshapen, and whatever `open` throws
 */
export async function openStored(
  stored: StoredQuantization,
  here: StoredTensors,
  open: (path: string) => Promise<{ readonly quantizers: Quantizers; readonly sha256: string }>,
): Promise<Quantizer> {
  const { field, chain, columns, file } = stored;
  if (file === undefined) return openQuantizer(chain, columns, await trainedOf(fieldTensor(field), here));
  const { quantizers, sha256 } = await open(file.path);
  if (sha256 !== file.sha256) throw bad(`${field} needs another ${file.path}: its SHA-256 differs`);
  const named = quantizers.get(field);
  const texts = [stored, named].map(
    (some) => some && quantizationText([{ field, chain: some.chain, columns: some.columns }]),
  );
  if (named === undefined || texts[0] !== texts[1])
    throw bad(`${field} is quantized by something else than ${file.path} has for it`);
  return named;
}

/**
 * Checks that the parts of a field are there, with their types and shapes.
 * @throws SluiceError `BAD_QUANTIZATION` naming the first that is not
 */
export function requireParts(
  { field }: Pick<StoredQuantization, 'field'>,
  quantizer: Pick<Quantizer, 'parts'>,
  rows: number,
  tensors: StoredTensors['tensors'],
): void {
  for (const { name, dtype, shape } of partTensors(field, quantizer, rows)) {
    const found = tensors.get(name);
    const [is, should] = [found, { dtype, shape }].map((spec) => spec && `${spec.dtype} [${spec.shape.join(', ')}]`);
    if (is !== should) throw bad(`${name} should be ${should}, and is ${is ?? 'missing'}`);
  }
}

async function trainedOf(tensor: string, { tensors, read }: StoredTensors): Promise<TrainedTensor[]> {
  const trained: TrainedTensor[] = [];
  for (const { name, dtype, shape } of tensors.values()) {
    // <tensor>.<scheme>.<name>; a part has no further dot
    if (dtype !== 'F32' || !name.startsWith(`${tensor}.`) || !name.includes('.', tensor.length + 1)) continue;
    trained.push({ name: name.slice(tensor.length + 1), shape, values: float32From(await read(name)) });
  }
  return trained;
}

function chainOf(field: string, said: unknown): Chain {
  const links = Array.isArray(said) ? said.map((link) => linkOf(field, link)) : [];
  try {
    const chain = resolveChain(links.map(({ scheme, options }) => ({ ...options, scheme }) as unknown as SchemeSpec));
    const other = chain.find(({ options }, i) =>
      Object.entries(links[i]?.options ?? {}).some(
        ([name, value]) => canonicalJson(options[name] ?? null) !== canonicalJson(value as JsonValue),
      ),
    );
    if (other === undefined) return chain;
    throw bad(`the options of ${other.scheme} for ${field} are not as sluice writes them`);
  } catch (cause) {
    if (!(cause instanceof SluiceError) || cause.code === 'BAD_QUANTIZATION') throw cause;
    throw bad(`the chain of ${field} cannot be used: ${cause.message}`, cause);
  }
}

function linkOf(field: string, said: unknown): { scheme: string; options: Record<string, unknown> } {
  const { scheme, options = {} } = isObject(said) ? said : {};
  if (typeof scheme === 'string' && isObject(options)) return { scheme, options };
  throw bad(`the chain of ${field} cannot be used: it is not made of schemes with options`);
}

/** Relative, with `/`, and nothing that leads out of the output folder. */
function isOwnPath(path: string): boolean {
  return path.split('/').every((part) => /^[\w-][\w.-]*$/.test(part));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(what: string, cause?: unknown): SluiceError {
  return new SluiceError(`what the file says of its quantization cannot be used: ${what}`, {
    code: 'BAD_QUANTIZATION',
    cause,
    hint: 'the file was damaged, or written by another version of sluice',
  });
}
