import type { Meta } from '../../../../records.ts';
import { Failure } from '../../../../sources/failure.ts';
import type { CutContext, CutInput } from '../../modality.ts';
import type { Cut, View } from '../../view.ts';
import { decoder } from '../charset.ts';
import { textFacts } from '../facts.ts';
import { normalisedBy } from '../normalise.ts';
import type { TextSettings } from '../options.ts';
import { textView } from '../textView.ts';
import { readHtml } from './html.ts';
import { declaredCharset } from './htmlCharset.ts';
import { readMail } from './mail.ts';
import { mailsOf } from './mailbox.ts';
import { readMarkdown } from './markdown.ts';
import type { MarkupKind } from './options.ts';
import { withVersion } from './versions.ts';

/** Text that was taken out of a record. */
interface Taken {
  readonly text: string;
  readonly derived: string;
  /** Of the record. Default: `utf-8`. */
  readonly charset?: string | undefined;
  readonly meta: Meta;
}

/** A view of text that stands for the whole record; none where there is no text. */
function takenView(taken: Taken, input: CutInput, { normalise }: TextSettings, context: CutContext): readonly View[] {
  if (taken.text === '') return [];
  const text = normalise === undefined ? taken.text : taken.text.normalize(normalise);
  const derived =
    normalise === undefined || text === taken.text ? taken.derived : `${taken.derived} -> ${normalisedBy(normalise)}`;
  context.budget.take(Buffer.byteLength(text), 'the text of the record');
  const bytes = new TextEncoder().encode(text);
  const facts = { charset: 'utf-8', confidence: 1, modality: input.modality, mediaType: input.mediaType };
  const { segments, ...view } = textView(bytes, facts, { maxSegmentBytes: context.maxSegmentBytes, transcode: false });
  const { confidence } = input;
  const meta = { charset: taken.charset ?? 'utf-8', ...(confidence < 1 ? { confidence } : {}), ...taken.meta };
  return [{ ...view, derived, bytes, segments: { ...segments, meta } }];
}

/**
 * A text in markup as a string. Pages may name their charset themselves; what they say goes before what bytes look like, but
 * not before valid UTF-8 or a mark.
 *
 * @throws Failure `INVALID_UTF8`, `INVALID_TEXT`
 */
function decoded(input: CutInput, settings: TextSettings, declared?: string): { text: string; charset: string } {
  const { bytes, charset: found = 'utf-8' } = input;
  const own = input.damage !== undefined || (found !== 'utf-8' && input.confidence < 1) ? declared : undefined;
  const charset = own ?? found;
  if (charset === 'utf-8') {
    textFacts(input, settings);
    return { text: new TextDecoder().decode(bytes), charset };
  }
  try {
    return { text: decoder(charset).decode(bytes, true), charset };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Failure('INVALID_TEXT', `the text is not valid ${charset}: ${error.message}`);
  }
}

async function mailCuts(input: CutInput, settings: TextSettings, context: CutContext): Promise<readonly Cut[]> {
  const { text, fromHtml, facts, attachments } = await readMail(input.bytes);
  const derived = fromHtml
    ? `mail -> html -> text (${withVersion('postal-mime')}, ${withVersion('parse5')})`
    : `mail -> text (${withVersion('postal-mime')})`;
  const cuts: Cut[] = [...takenView({ text, derived, meta: facts }, input, settings, context)];
  for (const { name, bytes } of attachments) {
    context.budget.takeMember();
    context.budget.take(bytes.length, `attachment ${name}`);
    cuts.push(...(await context.member(name, bytes)));
  }
  return cuts;
}

async function mailboxCuts({ bytes }: CutInput, context: CutContext): Promise<readonly Cut[]> {
  const cuts: Cut[] = [];
  const mails = mailsOf(bytes);
  const [first] = mails;
  if (first === undefined || /\S/.test(Buffer.from(bytes.subarray(0, first.line)).toString('latin1'))) {
    throw new Failure('DAMAGED_FILE', 'the mailbox does not begin with a line that begins a mail');
  }
  for (const [index, { start, end }] of mails.entries()) {
    context.budget.takeMember();
    context.budget.take(end - start, `mail ${index + 1}`);
    cuts.push(...(await context.member(`${index + 1}.eml`, bytes.subarray(start, end))));
  }
  return cuts;
}

/**
 * A text in markup as main text, which is derived from the whole record. Attachments of mails, and mails of mailboxes, are
 * members.
 *
 * @throws Failure `EMPTY_DOCUMENT` where nothing is left; and as what reads it does
 */
export async function markupCuts(
  kind: MarkupKind,
  input: CutInput,
  settings: TextSettings,
  context: CutContext,
): Promise<readonly Cut[]> {
  const cuts = await cutsOf(kind, input, settings, context);
  if (cuts.length === 0) throw new Failure('EMPTY_DOCUMENT', 'there is no text in the markup');
  return cuts;
}

async function cutsOf(
  kind: MarkupKind,
  input: CutInput,
  settings: TextSettings,
  context: CutContext,
): Promise<readonly Cut[]> {
  if (kind === 'mail') return mailCuts(input, settings, context);
  if (kind === 'mailbox') return mailboxCuts(input, context);
  if (kind === 'markdown') {
    const { text: source, charset } = decoded(input, settings);
    const { text, title } = readMarkdown(source);
    const derived = `markdown -> html -> text (${withVersion('markdown-it')}, ${withVersion('parse5')})`;
    const meta = title === undefined ? {} : { title };
    return takenView({ text, derived, charset, meta }, input, settings, context);
  }
  const { text: source, charset } = decoded(input, settings, declaredCharset(input.bytes));
  const { html } = settings.markup;
  const { text, title, lang } = readHtml(source, { html: html === 'all' ? 'all' : 'main' });
  const meta = { ...(title === undefined ? {} : { title }), ...(lang === undefined ? {} : { lang }) };
  const derived = `html -> text (${withVersion('parse5')})`;
  return takenView({ text, derived, charset, meta }, input, settings, context);
}
