/** What text is cut into. */
export type TextOptions = {};

export const TEXT_OPTIONS = {} as const;

/** {@link TextOptions} with nothing left out, and what concerns all text. */
export interface TextSettings {
  /** Text in another charset is re-encoded as UTF-8. */
  readonly transcode: boolean;
  /** Damaged UTF-8 passes as it is. */
  readonly keepInvalid: boolean;
}

/** @throws PipelineError `BAD_OPTION` */
export function settledText(_options: TextOptions, shared: TextSettings): TextSettings {
  return shared;
}

/** Whether nothing is wanted of text but pieces of its own bytes, or another charset. */
export function isPlainText(_settings: TextSettings): boolean {
  return true;
}
