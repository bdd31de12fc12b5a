import picomatch from 'picomatch';
import { mayBeData } from './splitNames.ts';

const MAGIC = /[*?[]/;
/** A pattern with more could take for ever on names that are made for it. */
const MOST_WILDCARDS = 20;

/** Whether a pattern of a card is one that can be looked for among the dataset's own files. */
export function isLocalPattern(pattern: string): boolean {
  return !pattern.includes('://') && (pattern.match(/[*?[]/g)?.length ?? 0) <= MOST_WILDCARDS;
}

/**
 * Paths that a pattern of a card means, as Python's `glob` reads it: `*`, `?` and `[...]` within names, `**` for any folders. Hidden
 * files, folders like `__pycache__` and metadata are only meant where the pattern itself is about such names.
 */
export function matching(pattern: string, paths: readonly string[]): readonly string[] {
  const plain = pattern.replace(/^(\.?\/)+/, '');
  if (!MAGIC.test(plain)) return paths.filter((path) => path === plain);
  // Brackets, braces and bars are letters to Python.
  const test = picomatch(plain.replace(/[(){}|]/g, '\\$&'), { dot: true, nonegate: true, noextglob: true });
  const special = !mayBeData(plain);
  return paths.filter((path) => test(path) && (special || mayBeData(path)));
}
