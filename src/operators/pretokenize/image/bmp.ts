import { version } from '../../../run/version.ts';
import { Failure } from '../../../sources/failure.ts';
import { type BmpHeader, readHeader } from './bmpHeader.ts';
import { expandRle } from './bmpRle.ts';
import type { ImageSettings } from './options.ts';
import { type Announce, type Picture, requireSizes } from './picture.ts';

const TYPES: readonly string[] = ['image/bmp', 'image/x-bmp', 'image/x-ms-bmp'];

export const isBmpType = (mediaType: string): boolean => TYPES.includes(mediaType);

/**
 * Decodes Windows and OS/2 bitmaps of 1, 4, 8, 16, 24 and 32 bits, run-length encoded ones and those with bit fields
 * included. Samples of fewer than 8 bits are repeated until they fill them. Colour profiles are not applied, and the
 * fourth byte of 32 bits is transparency only where the header says so, and not all of it is zero.
 *
 * @throws Failure `DAMAGED_FILE`, `UNDECODED`, `IMAGE_TOO_LARGE`, and what `announce` throws
 */
export function decodeBmp(bytes: Uint8Array, settings: ImageSettings, announce: Announce): Picture {
  const header = readHeader(bytes);
  const { width, height } = header;
  requireSizes([{ width, height }], settings);
  requirePixels(bytes, header);
  announce([{ width, height }]);
  const rgb = new Uint8Array(width * height * 3);
  if (header.bits <= 8) fromPalette(bytes, header, rgb);
  else if (header.masks === undefined) fromBytes(bytes, header, rgb);
  else fromFields(bytes, header, header.masks, settings, rgb);
  return { frames: [{ width, height, rgb }], total: 1, format: 'bmp', decoder: `sluice ${version}` };
}

const rowBytes = ({ width, bits }: BmpHeader): number => Math.ceil((width * bits) / 32) * 4;

/** Rows of an uncompressed bitmap must be there before anything is allocated; a runs' bitmap takes at least two bytes a row. */
function requirePixels(bytes: Uint8Array, header: BmpHeader): void {
  const { width, height, bits, runs, offset } = header;
  const needed = runs ? 2 * Math.ceil(width / 255) : rowBytes(header) * (height - 1) + Math.ceil((width * bits) / 8);
  if (offset + needed > bytes.length) {
    throw new Failure(
      'DAMAGED_FILE',
      `the bitmap is cut off: ${width} x ${height} pixels of ${bits} bits end at byte ${offset + needed}, and there are ${bytes.length}`,
    );
  }
}

/** The row of the picture, from the top, that lies `line` rows from the beginning of the file's. */
const place = ({ topDown, height, width }: BmpHeader, line: number): number =>
  (topDown ? line : height - 1 - line) * width * 3;

function fromPalette(bytes: Uint8Array, header: BmpHeader, rgb: Uint8Array): void {
  const { width, height, bits, offset, palette, runs } = header;
  const indices = runs ? expandRle(bytes.subarray(offset), header) : undefined;
  const pitch = rowBytes(header);
  const mask = (1 << bits) - 1;
  const colours = palette.length / 3;
  for (let line = 0; line < height; line++) {
    let to = place(header, line);
    for (let x = 0; x < width; x++, to += 3) {
      const bit = x * bits;
      const index =
        indices?.[line * width + x] ??
        ((bytes[offset + line * pitch + (bit >> 3)] ?? 0) >> (8 - bits - (bit & 7))) & mask;
      if (index >= colours) {
        throw new Failure('DAMAGED_FILE', `a pixel has colour ${index}, and the palette has ${colours}`);
      }
      rgb[to] = palette[3 * index] ?? 0;
      rgb[to + 1] = palette[3 * index + 1] ?? 0;
      rgb[to + 2] = palette[3 * index + 2] ?? 0;
    }
  }
}

/** Blue, green and red, and a fourth byte that means nothing. */
function fromBytes(bytes: Uint8Array, header: BmpHeader, rgb: Uint8Array): void {
  const { width, height, bits, offset } = header;
  const pitch = rowBytes(header);
  const step = bits / 8;
  for (let line = 0; line < height; line++) {
    let from = offset + line * pitch;
    let to = place(header, line);
    for (let x = 0; x < width; x++, from += step, to += 3) {
      rgb[to] = bytes[from + 2] ?? 0;
      rgb[to + 1] = bytes[from + 1] ?? 0;
      rgb[to + 2] = bytes[from] ?? 0;
    }
  }
}

function fromFields(
  bytes: Uint8Array,
  header: BmpHeader,
  masks: NonNullable<BmpHeader['masks']>,
  { alpha, background }: ImageSettings,
  rgb: Uint8Array,
): void {
  const { width, height, bits, offset } = header;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const pitch = rowBytes(header);
  const step = bits / 8;
  const valueAt = (at: number): number => (step === 2 ? view.getUint16(at, true) : view.getUint32(at, true));
  const fields = masks.map(field);
  const opacity = alpha === 'flatten' ? fields[3] : undefined;
  let transparent = false;
  // where nothing at all is opaque, the writer left the field empty
  for (let line = 0; line < height && opacity !== undefined && !transparent; line++) {
    for (let x = 0; x < width; x++) transparent ||= opacity(valueAt(offset + line * pitch + x * step)) > 0;
  }
  for (let line = 0; line < height; line++) {
    let from = offset + line * pitch;
    let to = place(header, line);
    for (let x = 0; x < width; x++, from += step, to += 3) {
      const value = valueAt(from);
      const share = transparent ? (opacity?.(value) ?? 255) : 255;
      for (let channel = 0; channel < 3; channel++) {
        const own = fields[channel]?.(value) ?? 0;
        rgb[to + channel] = Math.round((own * share + (background[channel] ?? 0) * (255 - share)) / 255);
      }
    }
  }
}

/** Reads the sample that a mask holds, as 8 bits: the upper ones of more, fewer repeated until there are as many. */
function field(mask: number): (value: number) => number {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const bits = 32 - Math.clz32(mask >>> shift);
  if (bits >= 8) return (value) => (value & mask) >>> (shift + bits - 8);
  const scaled = Uint8Array.from({ length: 1 << bits }, (_, sample) => {
    let repeated = sample;
    let length = bits;
    for (; length < 8; length += bits) repeated = (repeated << bits) | sample;
    return repeated >> (length - 8);
  });
  return (value) => scaled[(value & mask) >>> shift] ?? 0;
}
