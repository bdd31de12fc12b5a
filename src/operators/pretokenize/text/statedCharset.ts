import { canonicalCharset, decodes } from './charset.ts';
import { declaredCharset } from './markup/htmlCharset.ts';

/** Bytes at the beginning in which a style sheet or a source names its charset. */
const HEAD = 1024;

/** `@charset` of a style sheet (CSS Syntax 3, 3.2); `coding` of a source, in a comment among its first two lines (PEP 263). */
function namedInSource(head: string): string | undefined {
  return (
    /^@charset "([\w.:-]+)";/.exec(head)?.[1] ??
    /^(?:[^\n]*\r?\n)?[ \t]*(?:#|\/\*|\/\/|;|--|%|\(\*)[^\n]*?coding[:=][ \t]*([\w.-]+)/.exec(head)?.[1]
  );
}

/**
 * The charset that a text which is not UTF-8 says it has: an XML declaration, a `meta` element, `@charset`, a `coding` line.
 * Undefined where it says none, or one in which its bytes mean nothing.
 */
export function statedCharset(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, HEAD)).toString('latin1');
  const name = /^\s*</.test(head) ? declaredCharset(bytes) : namedInSource(head);
  if (name === undefined) return undefined;
  // Python and Emacs write `latin-1` and `euc_jp`
  const charset = canonicalCharset(name) ?? canonicalCharset(name.replace(/^latin-/i, 'latin').replaceAll('_', '-'));
  if (charset === undefined || /^utf-|^replacement$|^x-user-defined$/.test(charset)) return undefined;
  return decodes(bytes, charset) ? charset : undefined;
}
