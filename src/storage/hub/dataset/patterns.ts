import { mayBeData } from './splitNames.ts';

const MAGIC = /[*?[]/;
/** No path is matched by a pattern of more characters. */
const MOST_PATTERN = 4096;

/** Whether a pattern of a card is one that can be looked for among the dataset's own files. */
export function isLocalPattern(pattern: string): boolean {
  return !pattern.includes('://');
}

/**
 * Paths that a pattern of a card means, as Python's `glob` reads it: `*`, `?` and `[...]` within names, `**` for any folders. Hidden
 * files, folders like `__pycache__` and metadata are only meant where the pattern itself is about such names.
 */
export function matching(pattern: string, paths: readonly string[]): readonly string[] {
  const plain = pattern.replace(/^(\.?\/)+/, '');
  if (!MAGIC.test(plain)) return paths.filter((path) => path === plain);
  if (plain.length > MOST_PATTERN) return [];
  // At the end, it means what lies below, and not the folder itself.
  const names = plain
    .replace(/(^|\/)\*\*$/, '$1**/*')
    .split('/')
    .map((name) => (name === '**' ? ANY : matcherOf(name)));
  const special = !mayBeData(plain);
  return paths.filter(
    (path) => (special || mayBeData(path)) && matches(names, path.split('/'), (test, name) => test(name)),
  );
}

/** Stands for any number of what is matched. */
const ANY = Symbol('any');

/**
 * Whether items match a pattern, in time that grows with the product of both lengths: cards and names are written by
 * anybody, and expressions that are made of patterns can be made to take for ever. Where something does not fit, the last
 * `ANY` takes one more; those before it need not be tried again.
 */
function matches<P, T>(pattern: readonly (P | typeof ANY)[], items: readonly T[], fits: (one: P, item: T) => boolean) {
  let [at, item] = [0, 0];
  let last: { readonly at: number; item: number } | undefined;
  while (item < items.length) {
    const one = pattern[at];
    if (one === ANY) {
      last = { at: at++, item };
    } else if (at < pattern.length && fits(one as P, items[item] as T)) {
      at++;
      item++;
    } else if (last !== undefined) {
      at = last.at + 1;
      item = ++last.item;
    } else return false;
  }
  return pattern.slice(at).every((one) => one === ANY);
}

type Letter = (letter: string) => boolean;

function matcherOf(name: string): (name: string) => boolean {
  const letters: (Letter | typeof ANY)[] = [];
  const all = Array.from(name);
  for (let at = 0; at < all.length; at++) {
    const letter = all[at];
    // Like Python, of brackets that begin with one.
    const end = letter === '[' ? all.indexOf(']', at + (/[!^]/.test(all[at + 1] ?? '') ? 3 : 2)) : -1;
    if (letter === '*') letters.push(ANY);
    else if (letter === '?') letters.push(() => true);
    else if (end !== -1) {
      letters.push(anyOf(all.slice(at + 1, end)));
      at = end;
    } else letters.push((other) => other === letter);
  }
  return (other) => matches(letters, Array.from(other), (test, letter) => test(letter));
}

/** Letters and ranges of them, such as `a-z`; with `!` or `^` before them all others. */
function anyOf(inside: readonly string[]): Letter {
  const negated = inside[0] === '!' || inside[0] === '^';
  const all = negated ? inside.slice(1) : inside;
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < all.length; at++) {
    const first = all[at] ?? '';
    const isRange = all[at + 1] === '-' && at + 2 < all.length;
    ranges.push([first, isRange ? (all[at + 2] ?? '') : first]);
    if (isRange) at += 2;
  }
  const points = ranges.map(([from, to]) => [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0] as const);
  return (letter) => {
    const point = letter.codePointAt(0) ?? 0;
    return points.some(([from, to]) => from <= point && point <= to) !== negated;
  };
}
