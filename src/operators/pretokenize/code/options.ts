import { PipelineError } from '../../../errors.ts';
import { GRAMMARS } from './grammarNames.ts';

/** How code is taken apart. */
export interface CodeOptions {
  /** `definitions`: outermost definitions, and what lies between them; `file`: nothing is parsed. Default: `definitions`. */
  readonly unit?: 'definitions' | 'file' | undefined;
  /** Languages, as `meta.language` names them, of which files are not parsed. Default: none. */
  readonly whole?: readonly string[] | undefined;
  /** Comments right above a definition belong to it, or are segments of their own. Default: `attached`. */
  readonly comments?: 'attached' | 'separate' | undefined;
  /**
   * Shorter pieces, in bytes, are joined: definitions to others of their kind beside them, comments to what follows, the rest
   * to what precedes. 0 joins none. Default: 64.
   */
  readonly minSegmentBytes?: number | undefined;
  /** Longer sources, in bytes, are not parsed. Default: 1 MiB. */
  readonly maxParseBytes?: number | undefined;
  /**
   * Steps that the parser may take for one source, of 100 operations each, a sixth of them behind the first error; common
   * code takes 1 to 7 per 1,000 characters. What takes more is left whole. Default: 24,000.
   */
  readonly maxParseSteps?: number | undefined;
}

export const CODE_OPTIONS = {
  unit: true,
  whole: true,
  comments: true,
  minSegmentBytes: true,
  maxParseBytes: true,
  maxParseSteps: true,
} as const;

/** What concerns all text. */
export interface SharedTextSettings {
  /** Text in another charset is re-encoded as UTF-8. */
  readonly transcode: boolean;
  /** Damaged UTF-8 passes as it is. */
  readonly keepInvalid: boolean;
}

/** {@link CodeOptions} with nothing left out; plain values, which cross to decoder processes. */
export type CodeSettings = SharedTextSettings & {
  readonly [K in keyof CodeOptions]-?: Exclude<CodeOptions[K], undefined>;
};

const badOption = (message: string, hint: string): PipelineError =>
  new PipelineError(`code: ${message}`, { code: 'BAD_OPTION', hint });

function requireOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw badOption(`${name} is ${JSON.stringify(value)}`, `one of ${allowed.join(', ')}`);
}

/** @throws PipelineError `BAD_OPTION` */
export function settledCode(
  options: CodeOptions = {},
  shared: SharedTextSettings = { transcode: false, keepInvalid: false },
): CodeSettings {
  const { unit = 'definitions', comments = 'attached', whole = [] } = options;
  const { minSegmentBytes = 64, maxParseBytes = 1 << 20, maxParseSteps = 24_000 } = options;
  requireOneOf('unit', unit, ['definitions', 'file']);
  requireOneOf('comments', comments, ['attached', 'separate']);
  if (!Array.isArray(whole) || !whole.every((language) => typeof language === 'string')) {
    throw badOption('whole is no list of languages', "such as ['css', 'vue']");
  }
  for (const language of whole) requireOneOf('whole', language, Object.keys(GRAMMARS));
  for (const [name, value] of Object.entries({ minSegmentBytes, maxParseBytes, maxParseSteps })) {
    if (!Number.isSafeInteger(value) || value < 0) throw badOption(`${name} is ${value}`, 'a whole number, 0 or more');
  }
  return { unit, comments, whole: [...whole], minSegmentBytes, maxParseBytes, maxParseSteps, ...shared };
}
