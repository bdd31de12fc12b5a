/** How pictures are taken apart. */
export type ImageOptions = {};

export const IMAGE_OPTIONS = {} as const;

/** {@link ImageOptions} with nothing left out; plain values, which cross to decoder processes. */
export type ImageSettings = { readonly [K in keyof ImageOptions]-?: ImageOptions[K] };

/** @throws PipelineError `BAD_OPTION` */
export function settledImage(_options: ImageOptions = {}): ImageSettings {
  return {};
}
