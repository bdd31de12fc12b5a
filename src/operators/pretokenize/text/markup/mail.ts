import PostalMime, { type Address, type Attachment, type Email } from 'postal-mime';
import type { Meta } from '../../../../records.ts';
import { Failure } from '../../../../sources/failure.ts';
import { readHtml } from './html.ts';

/** A mail: its best body as text, facts of its header, and what is attached. */
export interface Mail {
  readonly text: string;
  /** The body was HTML alone. */
  readonly fromHtml: boolean;
  /**
   * `subject`, `from`, `to[]`, `cc[]` (`Name <address>`), `date`, `messageId`, `inReplyTo`, as far as they are there. Dates
   * are `Date`, the others strings.
   */
  readonly facts: Meta;
  readonly attachments: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

/** Extensions by which parts without a name are known for what they are. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'message/rfc822': '.eml',
  'text/html': '.html',
  'text/markdown': '.md',
  'text/calendar': '.ics',
};

function inWords({ name, address, group }: Address): string {
  if (group !== undefined) return `${name}: ${group.map(inWords).join(', ')};`;
  return name === '' ? address : `${name} <${address}>`;
}

function dateOf(text: string): Date | undefined {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function factsOf({ subject, from, to, cc, date, messageId, inReplyTo }: Email): Meta {
  const facts = {
    subject,
    from: from === undefined ? undefined : inWords(from),
    to: to?.map(inWords),
    cc: cc?.map(inWords),
    date: date === undefined ? undefined : dateOf(date),
    messageId,
    inReplyTo,
  };
  return Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value]])),
  );
}

/** File names of parts, each once: without folders, and numbered where they are the same. */
function namesOf(attachments: readonly Attachment[]): string[] {
  const taken = new Set<string>();
  return attachments.map(({ filename, mimeType }, index) => {
    const base =
      filename
        ?.split(/[/\\]/)
        .at(-1)
        ?.replace(/\p{Cc}+/gu, ' ')
        .trim() ?? '';
    const own = base === '' || base === '.' || base === '..' ? `part-${index + 1}${EXTENSIONS[mimeType] ?? ''}` : base;
    const name = taken.has(own) ? `${index + 1}-${own}` : own;
    taken.add(name);
    return name;
  });
}

/**
 * Reads a mail (RFC 5322, MIME): its plain text where it has one, else its HTML as text; mails in it are attachments.
 *
 * @throws Failure `DAMAGED_FILE` where it has no header of a mail, or more than 2 MiB of headers; `NESTED_TOO_DEEP` where
 *   parts lie more than 256 deep in one another
 */
export async function readMail(bytes: Uint8Array): Promise<Mail> {
  const mail = await PostalMime.parse(bytes, { forceRfc822Attachments: true }).catch((error: Error) => {
    const deep = error.message.includes('nesting depth');
    throw new Failure(deep ? 'NESTED_TOO_DEEP' : 'DAMAGED_FILE', `the mail cannot be read: ${error.message}`);
  });
  if (!mail.headers.some(({ key }) => /^(from|to|subject|date|received|message-id|sender|return-path)$/.test(key))) {
    throw new Failure('DAMAGED_FILE', 'the file has no header of a mail');
  }
  const plain = (mail.text ?? '').trim();
  const names = namesOf(mail.attachments);
  return {
    text: plain !== '' ? plain : readHtml(mail.html ?? '', { html: 'all' }).text,
    fromHtml: plain === '' && mail.html !== undefined,
    facts: factsOf(mail),
    attachments: mail.attachments.flatMap(({ content }, index) =>
      typeof content === 'string' || content.byteLength === 0
        ? []
        : [{ name: names[index] ?? '', bytes: new Uint8Array(content) }],
    ),
  };
}
