import { PipelineError } from '../../../../errors.ts';

/** What becomes of text with markup, by its kind; `keep` leaves it the bytes that it is. */
export interface MarkupOptions {
  /**
   * Pages in HTML and XHTML: `main` takes their content without what surrounds it (navigation, headers, footers, blocks of
   * links), `all` what a reader sees. Default: `main`.
   */
  readonly html?: 'main' | 'all' | 'keep' | undefined;
  /** Markdown. Default: `text`. */
  readonly markdown?: 'text' | 'keep' | undefined;
  /** Mails and mailboxes: the best body of each, with its attachments as members. Default: `text`. */
  readonly mail?: 'text' | 'keep' | undefined;
}

export const MARKUP_OPTIONS = { html: true, markdown: true, mail: true } as const;

/** {@link MarkupOptions} with nothing left out. */
export type MarkupSettings = { readonly [K in keyof MarkupOptions]-?: NonNullable<MarkupOptions[K]> };

const KEPT: MarkupSettings = { html: 'keep', markdown: 'keep', mail: 'keep' };
const VALUES: { readonly [K in keyof MarkupSettings]: readonly MarkupSettings[K][] } = {
  html: ['main', 'all', 'keep'],
  markdown: ['text', 'keep'],
  mail: ['text', 'keep'],
};

/** @throws PipelineError `BAD_OPTION` */
export function settledMarkup(markup: 'keep' | 'text' | MarkupOptions = 'keep'): MarkupSettings {
  if (markup === 'keep') return KEPT;
  if (markup !== 'text' && (typeof markup !== 'object' || markup === null)) {
    throw new PipelineError(`text: markup is ${JSON.stringify(markup)}`, {
      code: 'BAD_OPTION',
      hint: "'keep', 'text', or { html, markdown, mail }",
    });
  }
  const { html = 'main', markdown = 'text', mail = 'text' } = markup === 'text' ? {} : markup;
  const settled: MarkupSettings = { html, markdown, mail };
  for (const [name, values] of Object.entries(VALUES)) {
    const value = settled[name as keyof MarkupSettings];
    if ((values as readonly string[]).includes(value)) continue;
    throw new PipelineError(`text: markup: ${name} is ${JSON.stringify(value)}`, {
      code: 'BAD_OPTION',
      hint: `one of ${values.join(', ')}`,
    });
  }
  return settled;
}

/** What may be taken apart: `mailbox` has mails in it. */
export type MarkupKind = keyof MarkupSettings | 'mailbox';

const KINDS: Readonly<Record<string, MarkupKind>> = {
  'text/html': 'html',
  'application/xhtml+xml': 'html',
  'text/markdown': 'markdown',
  'message/rfc822': 'mail',
  'application/mbox': 'mailbox',
};

/** Which kind of markup a text is, if what is asked for takes it apart. */
export function markupKind(
  { mediaType }: { readonly mediaType: string },
  settings: MarkupSettings,
): MarkupKind | undefined {
  const kind = Object.hasOwn(KINDS, mediaType) ? KINDS[mediaType] : undefined;
  if (kind === undefined) return undefined;
  return settings[kind === 'mailbox' ? 'mail' : kind] === 'keep' ? undefined : kind;
}
