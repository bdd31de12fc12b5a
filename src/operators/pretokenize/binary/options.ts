/** How programs and other binary files are taken apart. */
export type BinaryOptions = {};

export const BINARY_OPTIONS = {} as const;

/** {@link BinaryOptions} with nothing left out; plain values, which cross to decoder processes. */
export type BinarySettings = { readonly [K in keyof BinaryOptions]-?: BinaryOptions[K] };

/** @throws PipelineError `BAD_OPTION` */
export function settledBinary(_options: BinaryOptions = {}): BinarySettings {
  return {};
}
