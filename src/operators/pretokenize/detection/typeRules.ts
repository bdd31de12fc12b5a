import picomatch from 'picomatch';
import { PipelineError } from '../../../errors.ts';
import { bareType } from './mediaTypes.ts';

/** What files of some name are, whatever they look like. */
export interface TypeRule {
  /** Extension without its dot in lower case, or a glob. */
  readonly pattern: string;
  readonly mediaType: string;
}

const isGlob = (pattern: string): boolean => /[*?[\]{}()!/]/.test(pattern);

/** @throws PipelineError `BAD_OPTION` where a pattern is empty, or a type is none */
export function settledTypes(types: Readonly<Record<string, string>> = {}): readonly TypeRule[] {
  return Object.entries(types).map(([key, value]) => {
    const pattern = isGlob(key) ? key : key.replace(/^\./, '').toLowerCase();
    const mediaType = typeof value === 'string' ? bareType(value) : '';
    if (pattern !== '' && /^[a-z]+\/[a-z0-9][a-z0-9.+_-]*$/.test(mediaType)) return { pattern, mediaType };
    throw new PipelineError(`types: '${key}' is to be '${String(value)}', which is no media type`, {
      code: 'BAD_OPTION',
      hint: "Write extensions or globs with media types: { types: { dat: 'audio/wav', 'raw/**': 'text/plain' } }.",
    });
  });
}

type Matcher = (uri: string, base: string) => boolean;

function matcherOf({ pattern }: TypeRule): Matcher {
  if (!isGlob(pattern)) return (_uri, base) => base.toLowerCase().endsWith(`.${pattern}`);
  const matches = picomatch(pattern, { dot: true, nocase: true });
  return pattern.includes('/') ? (uri) => matches(uri) : (_uri, base) => matches(base);
}

const compiled = new WeakMap<readonly TypeRule[], readonly Matcher[]>();

/** The media type that the first rule which fits a name gives it; paths of members are those in their archive. */
export function ruledType(uri: string, rules: readonly TypeRule[] = []): string | undefined {
  if (rules.length === 0) return undefined;
  let matchers = compiled.get(rules);
  if (matchers === undefined) {
    matchers = rules.map(matcherOf);
    compiled.set(rules, matchers);
  }
  const inside = uri.lastIndexOf('!/');
  const path = inside === -1 ? uri : uri.slice(inside + 2);
  const base = path.slice(path.lastIndexOf('/') + 1);
  return rules[matchers.findIndex((matches) => matches(path, base))]?.mediaType;
}
