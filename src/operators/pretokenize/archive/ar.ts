import { Failure } from '../../../sources/failure.ts';
import type { Members } from './members.ts';

const MAGIC_BYTES = 8;
const HEADER_BYTES = 60;
/** Tables of symbols and of long names, in the dialects of System V and BSD. */
const TABLE = /^(?:\/|\/\/|\/SYM64\/|__\.SYMDEF.*)$/;

/**
 * Hands the members of an `ar` archive on: libraries of objects, Debian packages. Members are views of its bytes.
 *
 * Format: System V ar(4), with GNU and BSD long names.
 */
export async function arMembers(bytes: Uint8Array, members: Members): Promise<Failure | undefined> {
  const text = (start: number, end: number): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, end);
  let longNames = '';
  for (let at = MAGIC_BYTES; at < bytes.length; ) {
    const header = text(at, at + HEADER_BYTES);
    const stated = /^ *(\d{1,10}) *$/.exec(header.slice(48, 58))?.[1];
    const start = at + HEADER_BYTES;
    const size = Number(stated);
    if (stated === undefined || !header.endsWith('`\n')) return truncated(at);
    const end = start + size;
    if (end > bytes.length) return truncated(at);
    at = end + (size % 2);
    const field = header.slice(0, 16).trimEnd();
    if (field === '//') longNames = text(start, end);
    const bsd = Math.min(size, Number(/^#1\/(\d{1,4})$/.exec(field)?.[1] ?? 0));
    const name = bsd > 0 ? text(start, start + bsd).replace(/\0+$/, '') : nameOf(field, longNames);
    if (TABLE.test(name)) continue;
    await members.add({ name, size: size - bsd, content: () => bytes.subarray(start + bsd, end) });
  }
  return undefined;
}

function nameOf(field: string, longNames: string): string {
  const offset = /^\/(\d{1,10})$/.exec(field)?.[1];
  if (offset === undefined) return field.length > 1 && !field.startsWith('/') ? field.replace(/\/$/, '') : field;
  return /^[^\n]*/.exec(longNames.slice(Number(offset)))?.[0].replace(/\/$/, '') ?? '';
}

const truncated = (at: number): Failure =>
  new Failure('TRUNCATED', `at byte ${at} of the archive there is no whole member`, 'Copy the file again.');
