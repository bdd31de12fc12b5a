import { PipelineError } from '../errors.ts';
import { didYouMean } from '../suggest.ts';
import type { Scheme } from './scheme.ts';
import { type Int8Options, int8 } from './schemes/int8.ts';
import { type PcaOptions, pca } from './schemes/pca.ts';
import { type PqOptions, pq } from './schemes/pq.ts';

/** Options of every scheme, by its name. */
export interface SchemeOptionsByName {
  readonly int8: Int8Options;
  readonly pca: PcaOptions;
  readonly pq: PqOptions;
}

export type SchemeName = keyof SchemeOptionsByName;

/** A scheme by its name, or with options: `'int8'`, `{ scheme: 'pq', subquantizers: 16 }`. */
export type SchemeSpec =
  | SchemeName
  | { readonly [N in SchemeName]: { readonly scheme: N } & SchemeOptionsByName[N] }[SchemeName];

const schemes: Readonly<Record<SchemeName, Scheme>> = { int8, pca, pq };

export const schemeNames = Object.keys(schemes) as readonly SchemeName[];

/** @throws PipelineError `BAD_OPTION` where there is none of this name */
export function schemeOf(name: string): Scheme {
  if (Object.hasOwn(schemes, name)) return schemes[name as SchemeName];
  throw new PipelineError(`there is no quantization scheme '${name}'`, {
    code: 'BAD_OPTION',
    hint: didYouMean(name, schemeNames) || `schemes are ${schemeNames.join(', ')}`,
  });
}
