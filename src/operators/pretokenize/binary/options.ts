import { PipelineError } from '../../../errors.ts';

/** How programs and other binary files are taken apart. */
export interface BinaryOptions {
  /**
   * `keep` leaves each section in one piece. `cut` cuts those with code where functions begin that the file names, at most
   * 262,144 of them. Default: `keep`.
   */
  readonly symbols?: 'keep' | 'cut' | undefined;
}

export const BINARY_OPTIONS = { symbols: true } as const;

/** {@link BinaryOptions} with nothing left out; plain values, which cross to decoder processes. */
export type BinarySettings = { readonly [K in keyof BinaryOptions]-?: NonNullable<BinaryOptions[K]> };

/** @throws PipelineError `BAD_OPTION` */
export function settledBinary({ symbols = 'keep' }: BinaryOptions = {}): BinarySettings {
  if (symbols !== 'keep' && symbols !== 'cut') {
    throw new PipelineError(`binary.symbols is '${symbols}'`, { code: 'BAD_OPTION', hint: 'One of keep, cut.' });
  }
  return { symbols };
}
