/** Elements that are written without an end in either notation. */
const VOID: ReadonlySet<string> = new Set(
  'area base br col embed hr img input link meta param source track wbr'.split(' '),
);

/**
 * XHTML as HTML: elements that close themselves (`<script src="x"/>`) are given an end, which HTML wants. Other text comes
 * back as it is.
 */
export function asHtml(text: string): string {
  if (!/^\s*<\?xml|xmlns\s*=\s*["']http:\/\/www\.w3\.org\/1999\/xhtml/.test(text.slice(0, 1024))) return text;
  return text.replace(/<([a-z][\w:-]*)(\s[^<>]*)?\/>/gi, (tag, name: string, attributes: string | undefined) =>
    VOID.has(name.toLowerCase()) ? tag : `<${name}${attributes ?? ''}></${name}>`,
  );
}
