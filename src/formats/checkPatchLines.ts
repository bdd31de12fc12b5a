import { SluiceError } from '../errors.ts';
import type { Complain } from './checkNumbers.ts';
import { fileLines } from './fileChunks.ts';

/** What a commit record says of a file of patches as JSON lines. */
export interface ExpectedLines {
  readonly lines: number;
  readonly documents: number;
  readonly patches: number;
  readonly bytes: number;
}

type Line = Readonly<Record<string, unknown>>;

/** Lists of one number for each patch, and the least that such a number may be. */
const LISTS = [
  ['patch_lengths', 1],
  ['prominence', 0],
  ['patch_entropies', -1e-3],
  ['coherence', Number.NEGATIVE_INFINITY],
] as const;

/**
 * Checks a `sluice_patches_jsonl_v1` file: every line an object with id and uri, as many numbers in each list as it has
 * patches, lengths that add up to the bytes of its content, embeddings of the width it tells; and the counts of the commit.
 * One line is in memory at a time.
 *
 * @throws SluiceError `UNREADABLE` where it is no UTF-8
 */
export async function checkPatchLines(file: string, expected: ExpectedLines, complain: Complain): Promise<void> {
  const sums = { lines: 0, documents: 0, patches: 0, bytes: 0 };
  try {
    for await (const text of fileLines(file)) {
      sums.lines++;
      const line = objectOf(text);
      const fault = line === undefined ? 'no object' : faultOf(line);
      if (fault !== undefined) complain(`has ${fault} in line ${sums.lines}`);
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

function faultOf(line: Line): string | undefined {
  const missing = ['id', 'uri'].find((key) => typeof line[key] !== 'string');
  if (missing !== undefined) return `no ${missing}`;
  const patches = line['num_patches'];
  for (const [name, least] of LISTS) {
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
