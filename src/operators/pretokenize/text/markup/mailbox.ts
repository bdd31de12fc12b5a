/** The line that begins each mail of a mailbox: `From`, who sent it, and a date that ends in a year (RFC 4155). */
const BEGIN = /^From \S[^\n]*\d{4}[^\n]*$/;
const LF = 0x0a;

/** A mail of a mailbox: where the line before it begins, and it itself begins and ends. */
interface MailRange {
  readonly line: number;
  readonly start: number;
  end: number;
}

/** The mails of a mailbox (mbox). */
export function mailsOf(bytes: Uint8Array): readonly Readonly<MailRange>[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const mails: MailRange[] = [];
  for (let at = 0; at !== -1; at = next(buffer, at + 1)) {
    const lineEnd = buffer.indexOf(LF, at);
    const line = buffer.toString('latin1', at, lineEnd === -1 ? buffer.length : lineEnd).trimEnd();
    if (!BEGIN.test(line)) continue;
    const last = mails.at(-1);
    if (last !== undefined) last.end = at;
    mails.push({ line: at, start: lineEnd === -1 ? buffer.length : lineEnd + 1, end: buffer.length });
  }
  return mails;
}

/** The next line from `at` on that may begin a mail. */
function next(buffer: Buffer, at: number): number {
  const found = buffer.indexOf('\nFrom ', at - 1, 'latin1');
  return found === -1 ? -1 : found + 1;
}
