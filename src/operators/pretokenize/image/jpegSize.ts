import type { Size } from './picture.ts';

const START_OF_SCAN = 0xda;

/** Markers that begin a frame (ITU T.81, table B.1): all of 0xC0 to 0xCF but those for tables and arithmetic coding. */
const beginsFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/**
 * Width and height of a JPEG as it lies in the file, before it is turned; undefined where no plain walk over its segments
 * comes to them. A twentieth of the time that decoding takes would go into asking the decoder.
 */
export function jpegSize(bytes: Uint8Array): Size | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || bytes[2] !== 0xff) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 2; at + 9 <= bytes.length; ) {
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff || marker < 0xc0 || marker === START_OF_SCAN) return undefined;
    if (beginsFrame(marker)) {
      const size = { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
      return size.width > 0 && size.height > 0 ? size : undefined;
    }
    at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}
