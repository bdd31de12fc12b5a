import { PipelineError } from '../errors.ts';
import { didYouMean } from '../suggest.ts';
import type { Scheme } from './scheme.ts';
import { type AutoencoderOptions, autoencoder } from './schemes/autoencoder.ts';
import { type BinaryOptions, binary } from './schemes/binary.ts';
import { type Int4Options, int4 } from './schemes/int4.ts';
import { type Int8Options, int8 } from './schemes/int8.ts';
import { type PcaOptions, pca } from './schemes/pca.ts';
import { type PqOptions, pq } from './schemes/pq.ts';
import { type TernaryOptions, ternary } from './schemes/ternary.ts';
import { type VariableOptions, variable } from './schemes/variable.ts';

/** Options of every scheme, by its name. */
export interface SchemeOptionsByName {
  readonly autoencoder: AutoencoderOptions;
  readonly binary: BinaryOptions;
  readonly int4: Int4Options;
  readonly int8: Int8Options;
  readonly pca: PcaOptions;
  readonly pq: PqOptions;
  readonly ternary: TernaryOptions;
  readonly variable: VariableOptions;
}

export type SchemeName = keyof SchemeOptionsByName;

/** A scheme by its name, or with options: `'int8'`, `{ scheme: 'pq', subquantizers: 16 }`. */
export type SchemeSpec =
  | SchemeName
  | { readonly [N in SchemeName]: { readonly scheme: N } & SchemeOptionsByName[N] }[SchemeName];

const schemes: Readonly<Record<SchemeName, Scheme>> = { autoencoder, binary, int4, int8, pca, pq, ternary, variable };

export const schemeNames = Object.keys(schemes) as readonly SchemeName[];

/** @throws PipelineError `BAD_OPTION` where there is none of this name */
export function schemeOf(name: string): Scheme {
  if (Object.hasOwn(schemes, name)) return schemes[name as SchemeName];
  throw new PipelineError(`there is no quantization scheme '${name}'`, {
    code: 'BAD_OPTION',
    hint: didYouMean(name, schemeNames) || `schemes are ${schemeNames.join(', ')}`,
  });
}
