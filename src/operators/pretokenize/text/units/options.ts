import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { PipelineError } from '../../../../errors.ts';
import { MAX_TOKENIZER_BYTES, parseTokenizerJson } from '../../../../tokenizers/tokenizerJson.ts';

/**
 * What one segment of text is: all of it (`document`, in pieces of `maxSegmentBytes`), a code point (`characters`), what a
 * reader takes for one character (`graphemes`) or a word or what stands between two (`words`; both UAX #29), or a token.
 */
export type TextUnits =
  | 'document'
  | 'characters'
  | 'graphemes'
  | 'words'
  | {
      /** Path of a `tokenizer.json` of Hugging Face tokenizers, or of `saveTokenizer`. */
      readonly tokenizer: string;
    };

export const UNITS_OPTIONS = { tokenizer: true } as const;

/** {@link TextUnits} as they cross to decoder processes; what decides boundaries is named. */
export type UnitsSettings =
  | { readonly kind: 'document' | 'characters' }
  | { readonly kind: 'graphemes' | 'words'; readonly icu: string }
  | TokenizerSettings;

export interface TokenizerSettings {
  readonly kind: 'tokenizer';
  readonly file: string;
  /** Of the file, lower-case hex. */
  readonly sha256: string;
}

const NAMES = ['document', 'characters', 'graphemes', 'words'] as const;

/** @throws PipelineError `BAD_OPTION`; ModelError `BAD_TOKENIZER` */
export function settledUnits(units: TextUnits = 'document'): UnitsSettings {
  if (units === 'document' || units === 'characters') return { kind: units };
  if (units === 'graphemes' || units === 'words') return { kind: units, icu: process.versions.icu ?? '' };
  if (typeof units === 'object' && units !== null && typeof units.tokenizer === 'string') {
    const file = path.resolve(units.tokenizer);
    return { kind: 'tokenizer', file, sha256: checked(file) };
  }
  throw new PipelineError(`text: units are ${JSON.stringify(units)}`, {
    code: 'BAD_OPTION',
    hint: `one of ${NAMES.join(', ')}, or { tokenizer: 'path/to/tokenizer.json' }`,
  });
}

/** Settings as they decide the output: a file by what it holds, wherever it lies. */
export function identityOf(units: UnitsSettings): object {
  return units.kind === 'tokenizer' ? { kind: units.kind, sha256: units.sha256 } : units;
}

/** Files that were read before, by path, time and size. */
const known = new Map<string, string>();

function checked(file: string): string {
  try {
    const { size, mtimeMs } = statSync(file);
    const key = `${file}\0${mtimeMs}\0${size}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    if (size > MAX_TOKENIZER_BYTES) {
      throw new PipelineError(`${file} has ${size} bytes, and a tokenizer has ${MAX_TOKENIZER_BYTES} at most`, {
        code: 'BAD_OPTION',
        path: file,
      });
    }
    const json = readFileSync(file);
    parseTokenizerJson(json);
    const sha256 = createHash('sha256').update(json).digest('hex');
    known.set(key, sha256);
    return sha256;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
    throw new PipelineError(`the tokenizer cannot be read: ${code}`, {
      code: 'BAD_OPTION',
      path: file,
      hint: 'text: { units: { tokenizer } } is the path of a tokenizer.json',
      cause: error,
    });
  }
}
