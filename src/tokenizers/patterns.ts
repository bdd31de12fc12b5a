/**
 * How text is divided into words before merges are applied within each: `gpt2` as GPT-2 does it, `cl100k` as GPT-4 and
 * Llama 3 do (digits in threes, contractions in any case, line ends apart), `qwen2` the same with single digits, `none`
 * not at all.
 */
export type Pattern = 'gpt2' | 'cl100k' | 'qwen2' | 'none';

export const PATTERNS: readonly Pattern[] = ['gpt2', 'cl100k', 'qwen2', 'none'];

type Regular = Exclude<Pattern, 'none'>;

/** What is written into files. `\s` is the White_Space of Unicode there, and letters in any case are named. */
export const SOURCES: Readonly<Record<Regular, string>> = {
  gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  cl100k: withDigits('\\p{N}{1,3}'),
  qwen2: withDigits('\\p{N}'),
};

function withDigits(digits: string): string {
  const contractions = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
  return `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
}

const FOLDED = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|";

/** The pattern that a file's expression means, however it is written; undefined where it is another one. */
export function patternOf(source: string): Pattern | undefined {
  const unfolded = source.startsWith(FOLDED)
    ? `'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|${source.slice(FOLDED.length)}`
    : source;
  for (const [name, own] of Object.entries(SOURCES)) {
    if (source === own || unfolded === own) return name as Regular;
  }
  return undefined;
}
