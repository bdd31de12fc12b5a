import type { Meta } from '../../../../records.ts';
import type { TextOut } from './textOut.ts';

/** A stretch of a document's text: a chapter, a slide, a sheet. */
export interface DocumentPart {
  readonly label: string;
  readonly meta: Meta;
  /** UTF-8. */
  readonly bytes: Uint8Array;
}

export type NewText = () => TextOut;
