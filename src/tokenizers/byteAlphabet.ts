/**
 * The printable characters that stand for bytes in the files of byte-level tokenizers (GPT-2, Radford et al. 2019):
 * printable Latin-1 characters for themselves, U+0100 and following for the other bytes in their order.
 */
const CHARS: readonly string[] = (() => {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let other = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : other++));
})();

/** Bytes by the code of their character; 0xffff for characters of none. */
const BYTES = new Uint16Array(0x200).fill(0xffff);
for (const [byte, char] of CHARS.entries()) BYTES[char.charCodeAt(0)] = byte;

/** The byte that a character stands for; undefined where it stands for none. */
export function byteOf(code: number): number | undefined {
  const byte = BYTES[code];
  return byte === 0xffff ? undefined : byte;
}

/** All bytes in the order of their characters: the order in which trainers number them. */
export const BYTES_BY_CHARACTER: readonly number[] = [...CHARS.keys()].sort(
  (a, b) => (CHARS[a] ?? '').charCodeAt(0) - (CHARS[b] ?? '').charCodeAt(0),
);

/** How a file writes bytes. */
export function spelled(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += CHARS[byte] ?? '';
  return text;
}

/** Bytes that a file writes like this; undefined where a character stands for none. */
export function unspelled(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const byte = byteOf(text.charCodeAt(at));
    if (byte === undefined) return undefined;
    bytes[at] = byte;
  }
  return bytes;
}
