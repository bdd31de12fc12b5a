import { type Position, SluiceError } from '../errors.ts';
import type { Meta } from '../records.ts';
import { metaJson } from '../sinks/metaJson.ts';
import type { Reading } from '../sources/file-source.ts';
import type { OpenFile } from '../sources/open-file.ts';
import { tarConfig, tarFormat } from '../sources/tar.ts';
import { byteFileOf } from './byteFile.ts';
import { type LayoutDocument, wholeDocument } from './document.ts';
import { exactJson } from './exactJson.ts';
import { badLayout } from './layout.ts';
import { openTable, type TableOptions } from './openTable.ts';

export interface SampleLimits {
  /** Bytes of a member at most: one sample is in memory at a time. Default: 64 MiB. */
  readonly maxSampleBytes?: number | undefined;
}

export const MAX_SAMPLE_BYTES = 64 << 20;

/** Members of one sample, which stand together in the archive. */
export interface Sample {
  /** Name without the ending. Keys of older archives hold dots, so a member is divided at its known ending alone. */
  readonly key: string;
  readonly uri: string;
  readonly position: Position;
  readonly tensors?: Uint8Array | undefined;
  readonly json?: Uint8Array | undefined;
  /** Why it cannot be used. */
  readonly failure?: SluiceError | undefined;
}

const ENDINGS = ['.safetensors', '.json'] as const;

/**
 * Samples of a WebDataset archive (`.tar`, `.tar.gz`, `.tar.zst`), in order: a safetensors member, and a JSON member of the
 * same name. Other members are passed over.
 */
export async function* samples(
  file: OpenFile,
  reading: Reading,
  { maxSampleBytes = MAX_SAMPLE_BYTES }: SampleLimits = {},
): AsyncGenerator<Sample, void, undefined> {
  const format = tarFormat(tarConfig({ maxDocumentBytes: maxSampleBytes }));
  let open: Sample | undefined;
  for await (const documents of format.read(file, { start: 0, end: file.size }, reading)) {
    for (const { source, bytes } of documents) {
      const { member = '', part } = source.position;
      const ending = ENDINGS.find((known) => member.endsWith(known));
      if (ending === undefined) continue;
      const key = member.slice(0, -ending.length);
      const name = ending === '.json' ? 'json' : 'tensors';
      if (open !== undefined && (open.key !== key || (open[name] !== undefined && part === undefined))) {
        yield open;
        open = undefined;
      }
      open ??= { key, uri: source.uri, position: source.position };
      if (part === undefined) open = { ...open, [name]: bytes };
      else open = { ...open, failure: tooLarge(source.uri, source.position, maxSampleBytes) };
    }
  }
  if (open !== undefined) yield open;
}

function tooLarge(uri: string, position: Position, most: number): SluiceError {
  return new SluiceError(`'${uri}' is larger than ${most} bytes`, {
    code: 'TOO_LARGE',
    path: uri,
    position,
    hint: 'set maxSampleBytes higher; a member is read whole',
  });
}

/**
 * The document that a sample is.
 * @param archive its path on this machine
 * @throws SluiceError what the sample fails by, `MISSING_TENSOR` without a safetensors member, `BAD_JSON`, `HEADER_LIES`
 *   where the JSON counts otherwise than the tensors
 */
export async function sampleDocument(
  sample: Sample,
  options: TableOptions = {},
  archive?: string,
): Promise<LayoutDocument> {
  const { key, uri, tensors, json, failure } = sample;
  if (failure !== undefined) throw failure;
  if (tensors === undefined) throw badLayout(uri, 'MISSING_TENSOR', `has no ${key}.safetensors beside it`);
  const table = await openTable(byteFileOf(uri, tensors), options, archive);
  const whole = { ...wholeDocument(key, uri, table), position: sample.position };
  if (json === undefined) return whole;
  const said = jsonOf(uri, json);
  const counts = { num_patches: table.patches, total_bytes: table.bytes + table.trailingBytes };
  for (const [name, value] of Object.entries(counts)) {
    if (typeof said[name] === 'number' && said[name] !== value)
      throw badLayout(uri, 'HEADER_LIES', `has ${name} ${said[name]} in its JSON, and its tensors make it ${value}`);
  }
  return { ...whole, ...factsOf(said) };
}

/** What the JSON of a sample says of its document: older programs in their words, this one in its own. */
function factsOf(said: Said): Partial<LayoutDocument> {
  const { doc_id: older, id = older, original_len: length, modality, record, uri, part, complete, meta } = said;
  return {
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof record === 'string' ? { record } : {}),
    ...(typeof uri === 'string' ? { uri } : {}),
    ...(typeof length === 'number' && Number.isSafeInteger(length) && length >= 0 ? { byteLength: length } : {}),
    ...(typeof modality === 'string' ? { modality } : {}),
    ...(typeof part === 'number' ? { part } : {}),
    ...(typeof complete === 'boolean' ? { complete } : {}),
    // JSON with exact integers is what metadata are made of.
    ...(typeof meta === 'object' && meta !== null ? { meta: metaJson(meta as Meta) } : {}),
  };
}

type Said = { readonly [key: string]: unknown };

function jsonOf(uri: string, bytes: Uint8Array): Said {
  let value: unknown;
  try {
    value = exactJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new SluiceError(`the JSON beside '${uri}' cannot be read: ${(cause as Error).message}`, {
      code: 'BAD_JSON',
      path: uri,
      cause,
    });
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}
