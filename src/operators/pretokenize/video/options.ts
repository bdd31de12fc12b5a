/** How video is taken apart. */
export type VideoOptions = {};

export const VIDEO_OPTIONS = {} as const;

/** {@link VideoOptions} with nothing left out; plain values, which cross to decoder processes. */
export type VideoSettings = { readonly [K in keyof VideoOptions]-?: VideoOptions[K] };

/** @throws PipelineError `BAD_OPTION` */
export function settledVideo(_options: VideoOptions = {}): VideoSettings {
  return {};
}
