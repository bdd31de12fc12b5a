import { SluiceError } from '../../errors.ts';
import type { LayoutDocument } from '../../layouts/document.ts';
import { detect } from '../../operators/pretokenize/detect.ts';
import type { Modality, Patches } from '../../records.ts';
import type { Reading } from '../file-source.ts';
import { bytesOf, type Made, metaFrom, requireUsable, valuesOf } from './values.ts';

/** Modalities by the names that older programs gave them; anything else is found out by the bytes. */
const modalities = new Map<string, Modality>([
  ['text', 'text'],
  ['text_raw', 'text'],
  ['code', 'code'],
  ['code_ast', 'code'],
  ['image', 'image'],
  ['audio', 'audio'],
  ['video', 'video'],
  ['pdf', 'pdf'],
  ['binary', 'binary'],
]);

interface Kind {
  readonly modality: Modality;
  readonly mediaType: string;
}

async function kindOf(bytes: Uint8Array, said: string | undefined): Promise<Kind> {
  const found = await detect(bytes, '', { modality: undefined, fallbackCharset: undefined });
  const kind: Kind =
    found.charset === undefined
      ? found
      : found.damage === undefined
        ? { modality: 'text', mediaType: 'text/plain' }
        : { modality: 'binary', mediaType: 'application/octet-stream' };
  const modality = modalities.get(said?.toLowerCase() ?? '') ?? kind.modality;
  return { modality, mediaType: kind.mediaType };
}

/**
 * A document of one segment, read from an older file. Its numbers are looked through before the first of them is handed on,
 * so that a document is given whole or not at all.
 *
 * @throws SluiceError what is wrong with it; SourceError where it changes meanwhile
 */
export async function* olderValues(
  document: LayoutDocument,
  reading: Reading,
  made: Made,
): AsyncGenerator<readonly Patches[], void, undefined> {
  requireUsable(document, made.absent);
  const bytes = await bytesOf(document);
  const { modality, mediaType } = await kindOf(bytes, document.modality);
  const { id, uri, byteLength = bytes.length, sha256, label = 'document', position, complete, part } = document;
  if (part > 0 || !complete) {
    throw new SluiceError(`'${document.table.path}' holds a part of document '${id}'`, {
      code: 'PART_OF_DOCUMENT',
      path: document.table.path,
      hint: 'give the output folder instead of a single shard',
    });
  }
  const segment = {
    document: {
      id,
      source: { split: reading.split, uri, position: position ?? { ordinal: reading.ordinal() } },
      byteLength,
      ...(sha256 === undefined ? {} : { sha256 }),
      meta: metaFrom(document.meta),
    },
    index: 0,
    last: true,
    bytes,
    label,
    modality,
    mediaType,
    origin: { start: 0, end: bytes.length },
    meta: {},
  };
  const { firstPatch: from, patches, firstByte: byteFrom } = document;
  const run = { segment, document, from, to: from + patches, byteFrom, start: 0, last: true };
  for await (const value of valuesOf(run, made)) yield [value];
}
