import { crc32 } from 'node:zlib';

/** A stored block's header: the next so many bytes are literal (RFC 1951, 3.2.4). */
const literal = (bytes: number): number[] => [0, bytes, 0, ~bytes & 0xff, 0xff];

/** A block of five bytes with fixed codes that repeats what lies 17 to 20 bytes back, in two halves (RFC 1951, 3.2.6). */
function repeat(bytes: number): number[] {
  const bits = (value: number, width: number): number[] =>
    Array.from({ length: width }, (_, bit) => (value >> bit) & 1);
  const code = (value: number, width: number): number[] => bits(value, width).reverse();
  const half = [...code(bytes / 2 - 2, 7), ...code(8, 5), ...bits(bytes - 17, 3)];
  const all = [0, 1, 0, ...half, ...half, ...code(0, 7)];
  return Array.from({ length: 5 }, (_, at) =>
    all.slice(8 * at, 8 * at + 8).reduce((sum, bit, n) => sum + (bit << n), 0),
  );
}

/** The file, its checksum as said; every part of the program prints what stands before it and what it cannot print else. */
function withChecksum(crc: number): Buffer {
  const prefix = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, ...Buffer.from('self\0')];
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc, 0);
  tail.writeUInt32LE(SIZE, 4);
  const suffix = [1, 0, 0, 0xff, 0xff, ...tail];
  const [L0, L1, L4, L18] = [literal(0), literal(5), literal(20), literal(18)];
  const [R4, R18] = [repeat(20), repeat(18)];
  const program = [
    [prefix],
    [L4, prefix, L4],
    [R4],
    [L1, R4],
    [L1, L1],
    [L4, R4, L1, L1, L4],
    [R4],
    [L4, R4, L4, R4, L4],
    [R4],
    [L4, R4, L0, L0, L18],
    [R4],
    [L0, L0, L18, R18, suffix],
    [R18],
    [suffix],
  ];
  return Buffer.from(program.flat(2));
}
const SIZE = 206;

/**
 * A gzip file that holds itself: a program of literals and repetitions that prints itself. Its checksum stands in what it
 * is the checksum of; CRC-32 is affine over GF(2), so that is a system of 32 linear equations.
 */
export function gzipQuine(): Buffer {
  const at = (crc: number): number => crc32(withChecksum(crc));
  const zero = at(0);
  // rows of [M + I | c], where M x + c is the checksum of the file that says x
  const columns = Array.from({ length: 32 }, (_, bit) => (at((1 << bit) >>> 0) ^ zero ^ (1 << bit)) >>> 0);
  const rows = Array.from({ length: 32 }, (_, row) =>
    columns.reduce(
      (sum, column, bit) => sum | (BigInt((column >>> row) & 1) << BigInt(bit)),
      BigInt((zero >>> row) & 1) << 32n,
    ),
  );
  const pivots = new Map<number, bigint>();
  for (let bit = 0; bit < 32; bit++) {
    const found = rows.findIndex((row) => (row >> BigInt(bit)) & 1n);
    if (found === -1) continue;
    const [pivot = 0n] = rows.splice(found, 1);
    for (const [n, row] of rows.entries()) if ((row >> BigInt(bit)) & 1n) rows[n] = row ^ pivot;
    for (const [n, row] of pivots) if ((row >> BigInt(bit)) & 1n) pivots.set(n, row ^ pivot);
    pivots.set(bit, pivot);
  }
  let crc = 0;
  for (const [bit, row] of pivots) if ((row >> 32n) & 1n) crc |= 1 << bit;
  return withChecksum(crc >>> 0);
}
