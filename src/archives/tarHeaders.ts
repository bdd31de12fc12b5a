import type { Failure } from '../sources/failure.ts';
import type { OpenFile } from '../sources/open-file.ts';
import { FileWindow } from './fileWindow.ts';
import { damagedTar, endlessTar, padded, TAR_BLOCK, type TarEntry, truncatedTar } from './tarEntry.ts';

/** A member of a plain archive, and where it lies. */
export interface TarHeader extends TarEntry {
  /** Offset of its first header, extended ones included. */
  readonly start: number;
  /** Offset of its content. */
  readonly byte: number;
}

/** Extended headers are a few lines; tar-stream draws the line here, too. */
const MOST_EXTENDED = 4 << 20;

const TYPES: Readonly<Record<string, string>> = {
  '\0': 'file',
  0: 'file',
  1: 'link',
  2: 'symlink',
  3: 'character-device',
  4: 'block-device',
  5: 'directory',
  6: 'fifo',
  7: 'contiguous-file',
};

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function string(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return utf8.decode(end === -1 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, start: number, length: number): number {
  const field = header.subarray(start, start + length);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    return field.subarray(1).reduce((value, byte) => value * 256 + byte, (field[0] ?? 0) & 0x7f);
  }
  const digits = String.fromCharCode(...field)
    .trimStart()
    .replace(/[\0 ].*$/s, '');
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

function checksumFits(header: Uint8Array): boolean {
  let sum = 8 * 32;
  for (let at = 0; at < TAR_BLOCK; at++) if (at < 148 || at >= 156) sum += header[at] ?? 0;
  return sum === octal(header, 148, 8);
}

/** `length key=value` lines; what is no such line ends them. */
function paxRecords(bytes: Uint8Array): Record<string, string> {
  const records: Record<string, string> = Object.create(null);
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number.parseInt(utf8.decode(bytes.subarray(at, space)), 10);
    if (!(length > space + 1 - at)) break;
    const line = utf8.decode(bytes.subarray(space + 1, at + length - 1));
    const equals = line.indexOf('=');
    if (equals === -1) break;
    records[line.slice(0, equals)] = line.slice(equals + 1);
    at += length;
  }
  return records;
}

/** Extended headers that a member's own is to follow. */
interface Extensions {
  readonly start: number;
  longName?: string;
  pax?: Record<string, string> | null;
}

const isZero = (block: Uint8Array): boolean => block.every((byte) => byte === 0);

/** Name without extended headers: POSIX has a field for what does not fit. */
function shortName(header: Uint8Array): string {
  const name = string(header, 0, 100);
  const posix = string(header, 257, 6) === 'ustar' && header[262] === 0;
  const prefix = posix ? string(header, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/**
 * Members of a plain tar archive of every kind, in its order, from their headers alone.
 *
 * @param broken Told why and where the archive ends too early; members whose content is not all there are not given.
 * @param onGlobal Told of a header that binds all members behind it together.
 *
 * Format: POSIX.1-2001 ustar and pax, GNU long names.
 */
export async function* tarHeaders(
  file: OpenFile,
  broken: (failure: Failure, byte: number, name?: string) => void,
  onGlobal: () => void = () => {},
): AsyncGenerator<TarHeader> {
  const window = new FileWindow(file);
  let before: Extensions | undefined;
  let global: Record<string, string> | undefined;
  let members = 0;
  let end = 0;
  let at = 0;
  while (at + TAR_BLOCK <= file.size) {
    const header = window.held(at, at + TAR_BLOCK) ?? (await window.bytes(at, at + TAR_BLOCK));
    if (header[0] === 0 && isZero(header)) {
      at += TAR_BLOCK;
      continue;
    }
    if (!checksumFits(header)) return broken(damagedTar(members, 'a header has another checksum than it says'), at);
    const stored = octal(header, 124, 12);
    const type = String.fromCharCode(header[156] ?? 0);
    const byte = at + TAR_BLOCK;
    if (!Number.isSafeInteger(stored)) return broken(damagedTar(members, 'a header has no size'), at);
    if ('xgLNK'.includes(type)) {
      if (stored > MOST_EXTENDED) return broken(damagedTar(members, 'an extended header is too large'), at);
      if (byte + stored > file.size) return broken(truncatedTar(), at);
      before ??= { start: at };
      // A view may not outlive the next read: names are strings by then.
      const bytes = await window.bytes(byte, byte + stored);
      if (type === 'x') before.pax = { ...global, ...paxRecords(bytes) };
      else if (type === 'L' || type === 'N') before.longName = string(bytes, 0, stored);
      else if (type === 'g') {
        global = paxRecords(bytes);
        onGlobal();
      }
      at = byte + padded(stored);
      continue;
    }
    const { start, longName, pax = null }: Extensions = before ?? { start: at };
    before = undefined;
    const name = pax?.['path'] || (longName ?? shortName(header));
    const size = pax?.['size'] ? Number.parseInt(pax['size'], 10) : stored;
    if (!Number.isSafeInteger(size) || size < 0) return broken(damagedTar(members, `'${name}' has no size`), at);
    const entry = { start, byte, name, size, type: TYPES[type] ?? null, pax };
    const content = entry.type === 'directory' ? 0 : size;
    if (byte + content > file.size) return broken(truncatedTar(), end, name);
    members++;
    yield entry;
    at = byte + padded(content);
    end = at;
  }
  if (at !== file.size || before !== undefined) broken(truncatedTar(), end);
  else if (file.size < end + TAR_BLOCK) broken(endlessTar(), end);
}
