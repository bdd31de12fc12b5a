/** How code is taken apart. */
export type CodeOptions = {};

export const CODE_OPTIONS = {} as const;

/** {@link CodeOptions} with nothing left out; plain values, which cross to decoder processes. */
export type CodeSettings = { readonly [K in keyof CodeOptions]-?: CodeOptions[K] };

/** @throws PipelineError `BAD_OPTION` */
export function settledCode(_options: CodeOptions = {}): CodeSettings {
  return {};
}
