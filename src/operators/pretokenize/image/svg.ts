/** Bytes in which libvips looks for the root element. */
const HEAD = 900;

/**
 * An SVG as librsvg is given it: in UTF-8 where it is UTF-16, and without the comments before its root element where these
 * would hide it. What is drawn is the same.
 */
export function plainSvg(bytes: Uint8Array): Uint8Array {
  const wide =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : '';
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const root = wide === '' ? source.indexOf('<svg') : 0;
  if (wide === '' && root < HEAD) return bytes;
  const charset = wide === '' ? 'latin1' : 'utf8';
  const text = wide === '' ? source.toString(charset) : new TextDecoder(wide).decode(bytes);
  return Buffer.from(withoutComments(text), charset);
}

/** Drops comments before the root element, and the declaration, which may name a charset that no longer holds. */
function withoutComments(text: string): string {
  let rest = text;
  let kept = '';
  const declared = /^\s*<\?xml[^>]*\?>/.exec(rest);
  if (declared !== null) {
    kept = declared[0].replace(/\s+encoding\s*=\s*("utf-16[lb]?e?"|'utf-16[lb]?e?')/i, '');
    rest = rest.slice(declared[0].length);
  }
  for (;;) {
    rest = rest.trimStart();
    const end = rest.startsWith('<!--') ? rest.indexOf('-->', 4) : -1;
    if (end === -1) return kept + rest;
    rest = rest.slice(end + 3);
  }
}
