/** Classes of characters that the patterns of pre-tokenizers tell apart. Those from `SPACE` on are white space. */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;
export const LINE_END = 4;

/** Classes of ASCII; `MANY` for bytes of longer characters. */
const MANY = 7;
export const ASCII: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => (byte < 0x80 ? classOf(byte) : MANY));

/** The classes of 256 code points each, filled when the first of them is met: by the Unicode of the JavaScript engine. */
const pages: (Uint8Array | undefined)[] = [];

function classOf(point: number): number {
  if (point === 0x0a || point === 0x0d) return LINE_END;
  const char = String.fromCodePoint(point);
  if (/\p{L}/u.test(char)) return LETTER;
  if (/\p{N}/u.test(char)) return NUMBER;
  return /\p{White_Space}/u.test(char) ? SPACE : OTHER;
}

function pageOf(number: number): Uint8Array {
  const page = Uint8Array.from({ length: 256 }, (_, low) => classOf((number << 8) | low));
  pages[number] = page;
  return page;
}

/**
 * Class of the character at `at`, and how many bytes it has: `(bytes << 3) | class`. A byte that begins no character of
 * UTF-8 (RFC 3629) is one of class `OTHER`, as U+FFFD is.
 */
export function classAt(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 8 | (ASCII[lead] ?? OTHER);
  const fault = 8 | OTHER;
  if (lead < 0xc2 || lead > 0xf4) return fault;
  const second = at + 1 < end ? (bytes[at + 1] ?? 0) : 0;
  if ((second & 0xc0) !== 0x80) return fault;
  let point = second & 0x3f;
  let width = 2;
  if (lead < 0xe0) point |= (lead & 0x1f) << 6;
  else {
    const third = at + 2 < end ? (bytes[at + 2] ?? 0) : 0;
    if ((third & 0xc0) !== 0x80) return fault;
    point = (point << 6) | (third & 0x3f);
    if (lead < 0xf0) {
      point |= (lead & 0x0f) << 12;
      if (point < 0x800 || (point >= 0xd800 && point < 0xe000)) return fault;
      width = 3;
    } else {
      const fourth = at + 3 < end ? (bytes[at + 3] ?? 0) : 0;
      if ((fourth & 0xc0) !== 0x80) return fault;
      point = ((lead & 0x07) << 18) | (point << 6) | (fourth & 0x3f);
      if (point < 0x10000 || point > 0x10ffff) return fault;
      width = 4;
    }
  }
  const page = pages[point >> 8] ?? pageOf(point >> 8);
  return (width << 3) | (page[point & 0xff] ?? OTHER);
}
