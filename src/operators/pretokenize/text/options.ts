import { PipelineError } from '../../../errors.ts';
import {
  MARKUP_OPTIONS,
  type MarkupOptions,
  type MarkupSettings,
  markupKind,
  settledMarkup,
} from './markup/options.ts';
import { FORMS, type Form } from './normalise.ts';
import { settledUnits, type TextUnits, UNITS_OPTIONS, type UnitsSettings } from './units/options.ts';

/** What text is cut into. */
export interface TextOptions {
  /**
   * `text` takes the main text out of HTML, Markdown and mail; single kinds as {@link MarkupOptions} says. Default: `keep`.
   */
  readonly markup?: 'keep' | 'text' | MarkupOptions | undefined;
  /**
   * Unicode normalisation form that text is brought into, in UTF-8. Text that is in this form already keeps its bytes.
   * Default: none.
   */
  readonly normalise?: Form | undefined;
  /**
   * What one segment is: all of the text, in pieces of `maxSegmentBytes`; a character (`characters`: code points,
   * `graphemes`: what readers count), a word, or a token of a tokenizer. Default: `document`.
   */
  readonly units?: TextUnits | undefined;
}

export const TEXT_OPTIONS = { markup: MARKUP_OPTIONS, normalise: true, units: UNITS_OPTIONS } as const;

/** {@link TextOptions} with nothing left out, and what concerns all text. */
export interface TextSettings {
  /** Text in another charset is re-encoded as UTF-8. */
  readonly transcode: boolean;
  /** Damaged UTF-8 passes as it is. */
  readonly keepInvalid: boolean;
  readonly markup: MarkupSettings;
  readonly normalise: Form | undefined;
  readonly units: UnitsSettings;
}

/** @throws PipelineError `BAD_OPTION`; ModelError `BAD_TOKENIZER` */
export function settledText(
  { markup, normalise, units }: TextOptions,
  shared: Pick<TextSettings, 'transcode' | 'keepInvalid'>,
): TextSettings {
  if (normalise !== undefined && !FORMS.includes(normalise)) {
    throw new PipelineError(`text: normalise is ${JSON.stringify(normalise)}`, {
      code: 'BAD_OPTION',
      hint: `one of ${FORMS.join(', ')}`,
    });
  }
  return { ...shared, markup: settledMarkup(markup), normalise, units: settledUnits(units) };
}

/** Whether nothing is wanted of a text of this type but pieces of its own bytes, or another charset. */
export function isPlainText({ markup, normalise, units }: TextSettings, mediaType: string): boolean {
  return normalise === undefined && units.kind === 'document' && markupKind({ mediaType }, markup) === undefined;
}
