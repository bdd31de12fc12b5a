import type { OpenFile } from './open-file.ts';

const BLOCK = 512;
/** Bytes read in one go: small members lie many to a window. */
const WINDOW = 64 << 10;

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

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
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  return sum === octal(header, 148, 8);
}

/** The value of `size` in a pax extended header, where there is one. */
function paxSize(records: Uint8Array): number | undefined {
  const value = /(?:^|\n)\d+ size=(\d+)\n/.exec(Buffer.from(records).toString('latin1'))?.[1];
  return value === undefined ? undefined : Number(value);
}

/**
 * Offsets at which members of a plain tar begin, each with the extended headers that belong to it; read from the headers
 * alone. Stops without a word where the archive is damaged or ends: whoever reads from the last offset on reports it.
 * Empty where the archive has global headers, which bind all members together.
 *
 * Format: POSIX.1-2001 ustar and pax, GNU long names.
 */
export async function memberOffsets(file: OpenFile): Promise<number[]> {
  const offsets: number[] = [];
  let window: Uint8Array = new Uint8Array(0);
  let windowStart = 0;
  const block = async (at: number, length: number): Promise<Uint8Array> => {
    if (at < windowStart || at + length > windowStart + window.length) {
      windowStart = at;
      window = await file.read(at, Math.min(file.size, at + Math.max(WINDOW, length)));
    }
    return window.subarray(at - windowStart, at - windowStart + length);
  };
  let memberStart: number | undefined;
  let size: number | undefined;
  for (let at = 0; at + BLOCK <= file.size; ) {
    const header = await block(at, BLOCK);
    if (header.every((byte) => byte === 0)) {
      at += BLOCK;
      continue;
    }
    if (!checksumFits(header)) break;
    const type = String.fromCharCode(header[156] ?? 0);
    const stored = octal(header, 124, 12);
    if (!Number.isSafeInteger(stored) || stored < 0) break;
    if (type === 'g') return [];
    memberStart ??= at;
    const data = at + BLOCK;
    if (type === 'x' || type === 'L' || type === 'K') {
      if (stored > WINDOW || data + stored > file.size) break;
      if (type === 'x') size = paxSize(await block(data, stored)) ?? size;
      at = data + padded(stored);
      continue;
    }
    offsets.push(memberStart);
    memberStart = undefined;
    at = data + padded(size ?? stored);
    size = undefined;
  }
  return offsets;
}
