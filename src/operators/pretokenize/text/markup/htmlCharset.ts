import { canonicalCharset } from '../charset.ts';

/** Bytes in which pages name their charset, by the WHATWG standard (13.2.3.2). */
const HEAD = 1024;

/**
 * The charset that a page names in a `meta` element, or an XML declaration, among its first bytes. A page that can be read
 * as ASCII is not UTF-16 whatever it says: it is UTF-8 then, as in browsers.
 */
export function declaredCharset(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, HEAD))
    .toString('latin1')
    .replace(/<!--[\s\S]*?(?:-->|$)/g, '');
  const named =
    /^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(head)?.[1] ??
    /<meta[\s/][^>]*?charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(head)?.[1];
  const charset = named === undefined ? undefined : canonicalCharset(named);
  return charset?.startsWith('utf-16') || charset?.startsWith('utf-32') ? 'utf-8' : charset;
}
