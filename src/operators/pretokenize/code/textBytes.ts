/** The text of a source, and where its characters lie in its bytes. */
export interface TextBytes {
  readonly text: string;
  /** Bytes of the whole. */
  readonly length: number;
  /** The byte at which the UTF-16 code unit of this index begins. Fastest where indices rise. */
  at(index: number): number;
}

/** Text in UTF-8 whose bytes are counted from the last place that was asked for. */
class Utf8Bytes implements TextBytes {
  readonly text: string;
  readonly length: number;
  #index = 0;
  #byte = 0;

  constructor(text: string, length: number) {
    this.text = text;
    this.length = length;
  }

  at(index: number): number {
    if (index >= this.text.length) return this.length;
    const between = Buffer.byteLength(this.text.slice(Math.min(index, this.#index), Math.max(index, this.#index)));
    this.#byte += index < this.#index ? -between : between;
    this.#index = index;
    return this.#byte;
  }
}

/** Whether a byte is a character of its own in every charset that is no Unicode form, whatever came before. */
const isPlain = (byte: number): boolean => byte < 0x80 && byte !== 0x1b && byte !== 0x0e && byte !== 0x0f;

/**
 * Where the code units begin in bytes of any charset, by decoding byte after byte: one unit more is there once the last
 * byte of its character was given. Lines of ASCII alone are taken at once.
 */
function begins(bytes: Uint8Array, charset: string, units: number): Uint32Array {
  const table = new Uint32Array(units + 1);
  const decoder = new TextDecoder(charset, { ignoreBOM: true });
  const escapes = charset === 'iso-2022-jp';
  let unit = 0;
  /** First byte of the character that is not whole yet. */
  let first = 0;
  let whole = true;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (whole && !escapes && isPlain(byte)) {
      table[unit++] = at;
      first = at + 1;
      continue;
    }
    const made = decoder.decode(bytes.subarray(at, at + 1), { stream: true }).length;
    for (let count = 0; count < made; count++) table[unit++] = first;
    whole = made > 0;
    if (whole) first = at + 1;
  }
  for (; unit < units; unit++) table[unit] = first;
  table[units] = bytes.length;
  return table;
}

/**
 * Decodes a source, its byte-order mark included. What is no character in the charset becomes U+FFFD, and still has its
 * place in the bytes. Undefined for UTF-32, which no decoder here takes.
 *
 * @param valid whether the bytes are known to be valid in the charset
 */
export function textBytes(bytes: Uint8Array, charset: string, valid: boolean): TextBytes | undefined {
  if (charset.startsWith('utf-32')) return undefined;
  const text = new TextDecoder(charset, { ignoreBOM: true }).decode(bytes);
  const { length } = bytes;
  // as many units as bytes: each is one byte, in ASCII and in the charsets of 256 characters
  if (text.length === length) return { text, length, at: (index) => index };
  if (charset === 'utf-8' && valid) return new Utf8Bytes(text, length);
  if (charset.startsWith('utf-16')) return { text, length, at: (index) => Math.min(length, 2 * index) };
  const table = begins(bytes, charset, text.length);
  return { text, length, at: (index) => table[index] ?? length };
}
