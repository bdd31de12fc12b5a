import { Failure } from '../../../sources/failure.ts';

/**
 * Walks over the blocks of formats of which decoders take what is there, and miss what is cut off: GIF, where frames that
 * are not whole would be left out, and PNG. Nothing is decoded.
 * @throws Failure `DAMAGED_FILE` where the last block is missing
 */
export function requireWhole(bytes: Uint8Array, loader: string): void {
  const whole = loader === 'gif' ? hasTrailer(bytes) : loader === 'png' ? chunkOf(bytes, 'IEND') !== undefined : true;
  if (!whole)
    throw new Failure('DAMAGED_FILE', `the picture is cut off: its last block is not in ${bytes.length} bytes`);
}

/** Frames of an animated PNG (the chunk acTL); undefined where it is none. */
export function animatedPngFrames(bytes: Uint8Array): number | undefined {
  const at = chunkOf(bytes, 'acTL');
  if (at === undefined || at + 4 > bytes.length) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
}

/** Where the content of the first PNG chunk of a type begins. */
function chunkOf(bytes: Uint8Array, type: string): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === type) return at + 8;
    at += 12 + length;
  }
  return undefined;
}

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;

/** Bytes of a colour table, by the flags that announce it. */
const tableBytes = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 << ((flags & 7) + 1));

/** Whether the blocks of a GIF (version 89a) end with its trailer. */
function hasTrailer(bytes: Uint8Array): boolean {
  let at = 13 + tableBytes(bytes[10] ?? 0);
  for (;;) {
    const kind = bytes[at++];
    if (kind === TRAILER) return true;
    if (kind === EXTENSION) at++;
    else if (kind === IMAGE) at += 10 + tableBytes(bytes[at + 8] ?? 0);
    else return false;
    for (let length = bytes[at++]; length !== 0; length = bytes[at++]) {
      if (length === undefined) return false;
      at += length;
    }
  }
}
