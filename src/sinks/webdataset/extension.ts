import { isUtf8 } from 'node:buffer';
import { fileTypeFromBuffer } from 'file-type';
import { languageOf, textTypeOf } from '../../operators/pretokenize/languages.ts';
import type { SourceRef } from '../../records.ts';

export interface Payload {
  readonly bytes: Uint8Array;
  readonly source: SourceRef;
  /** Whether these are the record's own bytes, all of them. */
  readonly own: boolean;
  /** Whether the document is there from its beginning to its end; it may be a part of a record itself. */
  readonly whole: boolean;
}

/**
 * Extension of a payload's member, without its dot, from a closed list: readers of WebDataset choose by it how they decode
 * a member, and must neither take text for metadata (`json`, `cls`) nor run what a source called `x.pickle`.
 *
 * - `bin` for a part of a larger document, which no decoder would take;
 * - for UTF-8: that of the document's own file where it is one of code or of a known type of text, else `txt`;
 * - for images, audio, video and PDF: what their first bytes say; for everything else `bin`.
 */
export async function payloadExtension({ bytes, source, own, whole }: Payload): Promise<string> {
  if (!whole || source.position.part !== undefined) return 'bin';
  if (isUtf8(bytes)) return own && isOwnFile(source) ? textExtension(source.uri) : 'txt';
  if (!own) return 'bin';
  // A detector that stumbles over a payload has not recognised it.
  const type = await fileTypeFromBuffer(bytes).catch(() => undefined);
  const isMedia = type !== undefined && /^(image|audio|video)\/|^application\/pdf$/.test(type.mime);
  return isMedia ? type.ext.toLowerCase().replace(/[^a-z0-9]/g, '') : 'bin';
}

/** Whether the name of the file says what the document is: it is no row or line of it. */
function isOwnFile({ position: { row, line, byte, member } }: SourceRef): boolean {
  return row === undefined && line === undefined && (member !== undefined || !byte);
}

function textExtension(uri: string): string {
  const extension = /\.([A-Za-z0-9]{1,16})$/.exec(uri)?.[1]?.toLowerCase() ?? 'txt';
  const known = languageOf(uri) !== undefined || textTypeOf(uri) !== 'text/plain';
  return known && extension !== 'json' ? extension : 'txt';
}
