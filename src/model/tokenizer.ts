import { SluiceError } from '../errors.ts';

/** Begin of a patch sequence; never produced from text. */
export const BOE_ID = 0;
export const BOS_ID = 1;
export const EOS_ID = 2;
export const BPE_ID = 3;
/** Byte b is token b + 4. */
export const BYTE_OFFSET = 4;

export interface EncodeOptions {
  /** Put BOS in front. Default: true. */
  readonly addBos?: boolean;
  /** Put EOS at the end. Default: true. */
  readonly addEos?: boolean;
}

/** Bytes to token ids, i32[bytes + specials]. */
export function encodeBytes(bytes: Uint8Array, options: EncodeOptions = {}): Int32Array {
  const { addBos = true, addEos = true } = options;
  const ids = new Int32Array(bytes.length + (addBos ? 1 : 0) + (addEos ? 1 : 0));
  let at = 0;
  if (addBos) ids[at++] = BOS_ID;
  for (const byte of bytes) ids[at++] = byte + BYTE_OFFSET;
  if (addEos) ids[at] = EOS_ID;
  return ids;
}

/** Text to token ids over its UTF-8 bytes. Lone surrogates vanish, as in the reference. */
export function encodeText(text: string, options: EncodeOptions = {}): Int32Array {
  return encodeBytes(Buffer.from(text.replace(/\p{Surrogate}/gu, ''), 'utf8'), options);
}

/** Token ids to bytes; special tokens (below 4) are dropped. Throws SluiceError `TOKEN_RANGE` for an id that is none. */
export function decodeBytes(ids: ArrayLike<number>, options: { readonly cutAtEos?: boolean } = {}): Uint8Array {
  const bytes = new Uint8Array(ids.length);
  let length = 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (id === undefined || !Number.isInteger(id) || id < 0 || id >= BYTE_OFFSET + 256) {
      throw new SluiceError(`${id} at position ${i} is not a token id; ids are 0 to 259.`, { code: 'TOKEN_RANGE' });
    }
    if (id >= BYTE_OFFSET) bytes[length++] = id - BYTE_OFFSET;
    else if (id === EOS_ID && options.cutAtEos) break;
  }
  return bytes.subarray(0, length);
}

/** Token ids to text. Bytes that are not valid UTF-8 vanish (no U+FFFD appears), a byte order mark stays. */
export function decodeText(ids: ArrayLike<number>, options: { readonly cutAtEos?: boolean } = {}): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(validUtf8(decodeBytes(ids, options)));
}

/** Only the well-formed sequences of `bytes` (Unicode table 3-7). */
function validUtf8(bytes: Uint8Array): Uint8Array {
  const kept = bytes.slice();
  let length = 0;
  for (let i = 0; i < bytes.length; ) {
    const size = sequenceLength(bytes, i);
    kept.copyWithin(length, i, i + size);
    length += size;
    i += Math.max(1, size);
  }
  return kept.subarray(0, length);
}

/** Bytes of the well-formed sequence at `i`, or 0. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i] ?? 0;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  for (let k = 1; k < size; k++) {
    const byte = bytes[i + k] ?? 0;
    if (k === 1 ? byte < low || byte > high : (byte & 0xc0) !== 0x80) return 0;
  }
  return size;
}
