import { canonicalCharset, decodes } from './charset.ts';
import { declaredCharset } from './markup/htmlCharset.ts';

/** Bytes at the beginning in which a style sheet or a source names its charset. */
const HEAD = 1024;
/** Bytes at the beginning in which the header of a mail ends, with all that servers have put before it. */
const MAIL_HEAD = 16 << 10;

/** `@charset` of a style sheet (CSS Syntax 3, 3.2); `coding` of a source, in a comment among its first two lines (PEP 263). */
function namedInSource(head: string): string | undefined {
  return (
    /^@charset "([\w.:-]+)";/.exec(head)?.[1] ??
    /^(?:[^\n]*\r?\n)?[ \t]*(?:#|\/\*|\/\/|;|--|%|\(\*)[^\n]*?coding[:=][ \t]*([\w.-]+)/.exec(head)?.[1]
  );
}

/** The charset of a mail of one part (RFC 2046, 4.1.2); the parts of others may have one each. */
function namedInMail(head: string): string | undefined {
  if (!/^[A-Za-z][A-Za-z0-9-]*:[ \t]/.test(head)) return undefined;
  const header = head.split(/\r?\n\r?\n/, 1)[0]?.replace(/\r?\n[ \t]+/g, ' ') ?? '';
  return /^content-type:[ \t]*text\/[^\n]*?;[ \t]*charset="?([\w.:-]+)/im.exec(header)?.[1];
}

/**
 * The charset that a text which is not UTF-8 says it has: an XML declaration, a `meta` element, `@charset`, a `coding` line, the
 * header of a mail.
 * Undefined where it says none, or one in which its bytes mean nothing.
 */
export function statedCharset(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, MAIL_HEAD)).toString('latin1');
  const name = /^\s*</.test(head) ? declaredCharset(bytes) : (namedInSource(head.slice(0, HEAD)) ?? namedInMail(head));
  if (name === undefined) return undefined;
  // Python and Emacs write `latin-1` and `euc_jp`
  const charset = canonicalCharset(name) ?? canonicalCharset(name.replace(/^latin-/i, 'latin').replaceAll('_', '-'));
  if (charset === undefined || /^utf-|^replacement$|^x-user-defined$/.test(charset)) return undefined;
  return decodes(bytes, charset) ? charset : undefined;
}
