const TYPES: Readonly<Record<string, string>> = {
  1: 'image/x-portable-bitmap',
  2: 'image/x-portable-graymap',
  3: 'image/x-portable-pixmap',
  4: 'image/x-portable-bitmap',
  5: 'image/x-portable-graymap',
  6: 'image/x-portable-pixmap',
  7: 'image/x-portable-arbitrarymap',
};
const GAP = String.raw`(?:\s|#[^\n]*\n)+`;
/** Width and height, and what the largest value is; bitmaps have none. */
const NUMBERS = new RegExp(`^P([1-6])${GAP}(\\d{1,9})${GAP}(\\d{1,9})${GAP}`);
const ARBITRARY = /^P7\n(?:#[^\n]*\n|[A-Z]+ [^\n]*\n)*?WIDTH \d/;
/** What follows the header of a picture written in digits. */
const DIGITS = /^(?:[\d\s]|#[^\n]*\n)*$/;
const HEAD = 1024;

/**
 * The media type of a Netpbm picture: a letter and a digit are no magic, so the header must be whole, and digits follow
 * where it says so.
 */
export function netpbmType(bytes: Uint8Array): string | undefined {
  const [p, kind = 0] = bytes;
  if (p !== 0x50 || kind < 0x31 || kind > 0x37) return undefined;
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD)).toString('latin1');
  if (ARBITRARY.test(head)) return TYPES[7];
  const header = NUMBERS.exec(head);
  if (header === null) return undefined;
  // A comment that the head cuts off is none of the digits.
  if (kind <= 0x33 && !DIGITS.test(head.slice(header[0].length).replace(/#[^\n]*$/, ''))) return undefined;
  return TYPES[header[1] ?? ''];
}
