import { SluiceError } from '../errors.ts';
import { fieldTensor, PATCH_FIELDS, partColumn, QUANTIZATION_KEY } from '../quantization/fieldTensors.ts';
import type { Complain } from './checkNumbers.ts';
import { LEAST } from './checkPatches.ts';
import {
  type CheckedField,
  type ExpectedQuantized,
  floatFields,
  noQuantizers,
  type OpenQuantizers,
  openFields,
  rowsFault,
} from './checkQuantized.ts';
import { fileLines } from './fileChunks.ts';

/** What a commit record says of a file of patches as JSON lines. */
export interface ExpectedLines extends ExpectedQuantized {
  readonly lines: number;
  readonly documents: number;
  readonly patches: number;
  readonly bytes: number;
}

type Line = Readonly<Record<string, unknown>>;

/**
 * Checks a `sluice_patches_jsonl_v1` file: every line an object with id and uri, as many numbers in each list as it has
 * patches, lengths that add up to the bytes of its content, embeddings of the width it tells, quantized fields that can be decoded;
 * and the counts of the commit. One line is in memory at a time.
 *
 * @throws SluiceError `UNREADABLE` where it is no UTF-8
 */
export async function checkPatchLines(
  file: string,
  expected: ExpectedLines,
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const sums = { lines: 0, documents: 0, patches: 0, bytes: 0 };
  try {
    for await (const text of fileLines(file)) {
      sums.lines++;
      const line = objectOf(text);
      const place = (what: string): void => complain(`${what} in line ${sums.lines}`);
      const fields = line && (await fieldsOf(line, expected, open, place));
      const fault = line === undefined ? 'no object' : fields && faultOf(line, fields);
      if (fault !== undefined) place(`has ${fault}`);
      if (line !== undefined) for (const what of partFaults(line, fields ?? [])) place(what);
      sums.documents += line?.['part'] === 0 ? 1 : 0;
      sums.patches += Number(line?.['num_patches'] ?? 0);
      sums.bytes += Number(line?.['total_bytes'] ?? 0);
    }
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new SluiceError(`cannot be read behind line ${sums.lines}: ${cause.message}`, { code: 'UNREADABLE', cause });
  }
  for (const key of ['lines', 'documents', 'patches', 'bytes'] as const) {
    if (sums[key] !== expected[key]) complain(`holds ${sums[key]} ${key}, and was committed with ${expected[key]}`);
  }
}

function objectOf(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return Object.fromEntries(Object.entries(value));
  } catch {
    return undefined;
  }
}

/** What a line says of its quantized fields. */
function fieldsOf(
  line: Line,
  { quantized }: ExpectedQuantized,
  open: OpenQuantizers,
  complain: Complain,
): Promise<CheckedField[] | undefined> {
  const said = line[QUANTIZATION_KEY];
  const text = said === undefined ? undefined : JSON.stringify(said);
  return openFields({ text, fields: PATCH_FIELDS, dim: Number(line['embed_dim']), quantized }, open, complain);
}

function* partFaults(line: Line, fields: readonly CheckedField[]): Generator<string, void, undefined> {
  for (const field of fields) {
    const { stored, quantizer } = field;
    const encoded = quantizer.parts.map(({ name }) => {
      const text = line[partColumn(stored.tensor, name)];
      return typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
    });
    const missing = quantizer.parts[encoded.indexOf(undefined)];
    const held = encoded.filter((bytes) => bytes !== undefined);
    const rows = Number(line['num_patches']);
    const fault =
      missing === undefined ? rowsFault(field, rows, held, 0) : `has no ${partColumn(stored.tensor, missing.name)}`;
    if (fault !== undefined) yield fault;
  }
}

/** Lists of one number for each patch, and the least that such a number may be. */
function listsOf(line: Line, fields: readonly CheckedField[]): [name: string, least: number][] {
  const signals = floatFields(['prominence', 'entropy'], fields, (field) => fieldTensor(field) in line);
  return [
    ['patch_lengths', 1],
    ...signals.map((field): [string, number] => [fieldTensor(field), LEAST[field]]),
    ['coherence', Number.NEGATIVE_INFINITY],
  ];
}

function faultOf(line: Line, fields: readonly CheckedField[]): string | undefined {
  const missing = ['id', 'uri'].find((key) => typeof line[key] !== 'string');
  if (missing !== undefined) return `no ${missing}`;
  const patches = line['num_patches'];
  for (const [name, least] of listsOf(line, fields)) {
    const values = numbersOf(line[name]);
    if (values === undefined || values.length !== patches) return `no ${name} of all patches`;
    const low = values.findIndex((value) => !(value >= least));
    if (low >= 0) return `${name}[${low}] = ${values[low]}`;
  }
  const lengths = numbersOf(line['patch_lengths'])?.reduce((sum, length) => sum + length, 0);
  const content = contentBytes(line);
  if (content === undefined) return 'neither text nor base64';
  if (lengths !== content) return `patch lengths that add up to ${lengths}, and content of ${content} bytes`;
  if (line['total_bytes'] !== content) return `total_bytes that are not those of its content`;
  return embeddingFault(line, Number(patches));
}

function numbersOf(value: unknown): number[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'number') ? value : undefined;
}

function contentBytes({ text, base64 }: Line): number | undefined {
  if (typeof text === 'string' && base64 === undefined) return Buffer.byteLength(text);
  if (typeof base64 === 'string' && text === undefined) return Buffer.from(base64, 'base64').length;
  return undefined;
}

function embeddingFault({ embeddings, embed_dim: dim }: Line, patches: number): string | undefined {
  if (embeddings === undefined) return undefined;
  const fits = Array.isArray(embeddings)
    ? embeddings.length === patches && embeddings.every((row) => numbersOf(row)?.length === dim)
    : typeof embeddings === 'string' && Buffer.from(embeddings, 'base64').length === 4 * patches * Number(dim);
  return fits ? undefined : `embeddings that are not ${patches} of ${dim} numbers`;
}
