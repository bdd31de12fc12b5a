import { Failure } from '../../../sources/failure.ts';
import type { BmpHeader } from './bmpHeader.ts';

const END_OF_LINE = 0;
const END_OF_BITMAP = 1;
const DELTA = 2;

const damaged = (message: string): Failure => new Failure('DAMAGED_FILE', `the bitmap's runs ${message}`);

/**
 * The palette's indices of a run-length encoded bitmap (RLE8, RLE4), in the order of the file's rows. Pixels that no run
 * reaches have index 0.
 * @throws Failure `DAMAGED_FILE`
 */
export function expandRle(
  data: Uint8Array,
  { width, height, bits }: Pick<BmpHeader, 'width' | 'height' | 'bits'>,
): Uint8Array {
  const indices = new Uint8Array(width * height);
  // Some writers fill rows up to whole words, as those of uncompressed files are.
  const widest = Math.ceil((width * bits) / 32) * (32 / bits);
  let x = 0;
  let y = 0;
  let at = 0;
  const next = (): number => {
    const byte = data[at++];
    if (byte === undefined) throw damaged('end before the picture does');
    return byte;
  };
  /** `count` pixels; `byteOf` gives the byte that holds the n-th. */
  const put = (count: number, byteOf: (n: number) => number): void => {
    if (y >= height || x + count > widest) throw damaged(`leave the picture in row ${y}`);
    const start = y * width + x;
    const within = Math.min(count, width - x);
    for (let n = 0; n < within; n++) {
      const byte = byteOf(n);
      indices[start + n] = bits === 8 ? byte : n % 2 === 0 ? byte >> 4 : byte & 15;
    }
    x += count;
  };
  for (;;) {
    const count = next();
    const value = next();
    if (count > 0) put(count, () => value);
    else if (value === END_OF_LINE) {
      x = 0;
      y++;
    } else if (value === END_OF_BITMAP) return indices;
    else if (value === DELTA) {
      x += next();
      y += next();
    } else {
      const bytes = bits === 8 ? value : Math.ceil(value / 2);
      const literal = data.subarray(at, at + bytes);
      if (literal.length < bytes) throw damaged('end before the picture does');
      put(value, (n) => literal[bits === 8 ? n : n >> 1] ?? 0);
      // literal pixels fill whole words
      at += bytes + (bytes % 2);
    }
  }
}
