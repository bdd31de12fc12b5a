/** The line that begins each mail of a mailbox: `From`, who sent it, and a date that ends in a year (RFC 4155). */
const BEGIN = /^From \S[^\n]*\d{4}[^\n]*$/;
const LF = 0x0a;

/** Where each mail of a mailbox (mbox) begins and ends, without the line before it. */
export function mailsOf(bytes: Uint8Array): readonly (readonly [start: number, end: number])[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const mails: [number, number][] = [];
  for (let at = 0; at !== -1; at = next(buffer, at + 1)) {
    const lineEnd = buffer.indexOf(LF, at);
    const line = buffer.toString('latin1', at, lineEnd === -1 ? buffer.length : lineEnd).trimEnd();
    if (!BEGIN.test(line)) continue;
    const last = mails.at(-1);
    if (last !== undefined) last[1] = at;
    mails.push([lineEnd === -1 ? buffer.length : lineEnd + 1, buffer.length]);
  }
  return mails;
}

/** The next line from `at` on that may begin a mail. */
function next(buffer: Buffer, at: number): number {
  const found = buffer.indexOf('\nFrom ', at - 1, 'latin1');
  return found === -1 ? -1 : found + 1;
}
