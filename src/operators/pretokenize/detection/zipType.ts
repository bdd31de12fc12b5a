import { ascii, viewOf } from './magic.ts';
import { modalityOf } from './mediaTypes.ts';

const LOCAL = 0x04034b50;
const ENTRY = 0x02014b50;
const END = Buffer.from('PK\x05\x06', 'latin1');
/** The record at the end of an archive, and the longest comment that may follow it. */
const END_BYTES = 22;
const MOST_COMMENT = 0xffff;
/** Entries of the directory that are looked at. */
const MOST_ENTRIES = 4096;

const OFFICE = 'application/vnd.openxmlformats-officedocument';

/** Names from the directory of a ZIP archive, in its order; none where it has no directory that can be read. */
function* names(bytes: Uint8Array): Generator<string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const from = Math.max(0, bytes.length - END_BYTES - MOST_COMMENT);
  const end = buffer.lastIndexOf(END);
  if (end < from || end + END_BYTES > bytes.length) return;
  const view = viewOf(bytes);
  // Counted back from the end, so that bytes before the archive move nothing.
  let at = end - view.getUint32(end + 12, true);
  for (let count = 0; count < MOST_ENTRIES; count++) {
    if (!(at >= 0 && at + 46 <= end) || view.getUint32(at, true) !== ENTRY) return;
    const length = view.getUint16(at + 28, true);
    yield ascii(bytes, at + 46, at + 46 + length);
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
}

/**
 * What an archive says of itself: the first member, stored as it is, is called `mimetype` (EPUB OCF 3, ODF 1.3). Undefined
 * where that is no kind of archive: pictures and the like are members of one, whatever it says.
 */
function statedType(bytes: Uint8Array): string | undefined {
  const view = viewOf(bytes);
  const name = view.getUint16(26, true);
  const size = view.getUint32(18, true);
  if (view.getUint16(8, true) !== 0 || size > 100 || ascii(bytes, 30, 30 + name) !== 'mimetype') return undefined;
  const start = 30 + name + view.getUint16(28, true);
  const stated = ascii(bytes, start, start + size).trim();
  return modalityOf(stated) === 'archive' ? stated : undefined;
}

/** Media type of a ZIP archive by what lies in it: an office document, an EPUB, a Java archive; undefined for no ZIP. */
export function zipType(bytes: Uint8Array): string | undefined {
  if (bytes.length < 30) return undefined;
  const signature = viewOf(bytes).getUint32(0, true);
  if (signature !== LOCAL) return signature === 0x06054b50 || signature === 0x08074b50 ? 'application/zip' : undefined;
  const stated = statedType(bytes);
  if (stated !== undefined) return stated;
  const seen = new Set<string>();
  for (const name of names(bytes)) {
    const slash = name.indexOf('/');
    seen.add(slash === -1 ? name : name.slice(0, slash + 1));
    if (name === 'META-INF/MANIFEST.MF' || name === 'xl/workbook.bin') seen.add(name);
  }
  if (seen.has('[Content_Types].xml')) {
    if (seen.has('word/')) return `${OFFICE}.wordprocessingml.document`;
    if (seen.has('xl/workbook.bin')) return 'application/vnd.ms-excel.sheet.binary.macroenabled.12';
    if (seen.has('xl/')) return `${OFFICE}.spreadsheetml.sheet`;
    if (seen.has('ppt/')) return `${OFFICE}.presentationml.presentation`;
    if (seen.has('3D/')) return 'model/3mf';
    if (seen.has('visio/')) return 'application/vnd.visio';
  }
  if (seen.has('AndroidManifest.xml')) return 'application/vnd.android.package-archive';
  if (seen.has('META-INF/MANIFEST.MF')) return 'application/java-archive';
  return 'application/zip';
}
