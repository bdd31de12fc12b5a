import { PipelineError } from '../errors.ts';
import type { SchemeOptions } from './scheme.ts';
import { type SchemeSpec, schemeNames, schemeOf } from './schemes.ts';

/** One scheme of a chain with all its options: what files and digests hold. */
export interface Link {
  readonly scheme: string;
  readonly options: SchemeOptions;
}

/** Schemes that rows go through, in order: any number of transforms, then at most one coder. */
export type Chain = readonly [Link, ...Link[]];

/**
 * Checks what was asked for and fills in every default.
 *
 *     resolveChain('int8')
 *     resolveChain([{ scheme: 'pca', components: 64 }, 'int8'])
 *
 * @throws PipelineError `BAD_OPTION`, `UNKNOWN_OPTION`
 */
export function resolveChain(to: SchemeSpec | readonly SchemeSpec[]): Chain {
  const specs: readonly SchemeSpec[] = Array.isArray(to) ? to : [to as SchemeSpec];
  const links = specs.map(linkOf);
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

function linkOf(spec: SchemeSpec): Link {
  if (typeof spec === 'string') return { scheme: spec, options: schemeOf(spec).resolve({}) };
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
