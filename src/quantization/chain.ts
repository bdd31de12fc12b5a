import { PipelineError } from '../errors.ts';
import type { SchemeOptions } from './scheme.ts';
import { type SchemeSpec, schemeNames, schemeOf } from './schemes.ts';

/** One scheme of a chain with all its options: what files and digests hold. */
export type Link = {
  readonly scheme: string;
  readonly options: SchemeOptions;
};

/** Schemes that rows go through, in order: any number of transforms, then at most one coder. */
export type Chain = readonly [Link, ...Link[]];

/**
 * What rows shall go through: a scheme, or transforms and a scheme behind them; or the same as a text, schemes with `+` between
 * them, each with its most important number behind a colon where that is to be another than the default: `pca:64+int8`.
 */
export type To = SchemeSpec | readonly SchemeSpec[] | (string & {});

/**
 * Checks what was asked for and fills in every default.
 *
 *     resolveChain('int8')
 *     resolveChain([{ scheme: 'pca', components: 64 }, 'int8'])
 *     resolveChain('pca:64+int8')
 *
 * @throws PipelineError `BAD_OPTION`, `UNKNOWN_OPTION`
 */
export function resolveChain(to: To): Chain {
  const links = specsOf(to).map(linkOf);
  const [first, ...rest] = links;
  if (first === undefined) throw badChain('it is empty');
  for (const [i, { scheme }] of links.entries()) {
    if (links.findIndex((other) => other.scheme === scheme) < i) throw badChain(`${scheme} stands in it twice`);
    if (i < links.length - 1 && schemeOf(scheme).kind === 'coder') {
      throw badChain(`${scheme} gives codes, which ${links[i + 1]?.scheme} cannot go on with`);
    }
  }
  return [first, ...rest];
}

function specsOf(to: To): readonly (SchemeSpec | string)[] {
  if (typeof to === 'string') return to.split('+').map((part) => part.trim());
  return Array.isArray(to) ? to : [to as SchemeSpec];
}

function linkOf(spec: SchemeSpec | string): Link {
  if (typeof spec === 'string') {
    const [name = '', value, ...more] = spec.split(':');
    const scheme = schemeOf(name);
    if (value === undefined) return { scheme: name, options: scheme.resolve({}) };
    const { shorthand } = scheme;
    if (shorthand === undefined || more.length > 0 || !/^\d+$/.test(value)) {
      throw badChain(
        shorthand === undefined
          ? `${spec} has a number, and ${name} takes none`
          : `${spec} is neither ${name} nor ${name}:<${shorthand}>`,
      );
    }
    return { scheme: name, options: scheme.resolve({ [shorthand]: Number(value) }) };
  }
  if (typeof spec !== 'object' || spec === null) throw badChain(`${String(spec)} is no scheme`);
  const { scheme, ...given } = spec;
  return { scheme, options: schemeOf(scheme).resolve(given) };
}

function badChain(what: string): PipelineError {
  return new PipelineError(`quantization: ${what}`, {
    code: 'BAD_OPTION',
    hint: `give a scheme, or transforms and a scheme behind them: ['pca', 'int8']; schemes are ${schemeNames.join(', ')}`,
  });
}

/** A chain as {@link resolveChain} reads it, but for options that have no short form: `pca:64+int8`. */
export function chainText(chain: Chain): string {
  return chain
    .map(({ scheme, options }) => {
      const value = options[schemeOf(scheme).shorthand ?? ''];
      return typeof value === 'number' ? `${scheme}:${value}` : scheme;
    })
    .join('+');
}
