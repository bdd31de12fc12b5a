/** How sound is taken apart. */
export type AudioOptions = {};

export const AUDIO_OPTIONS = {} as const;

/** {@link AudioOptions} with nothing left out; plain values, which cross to decoder processes. */
export type AudioSettings = { readonly [K in keyof AudioOptions]-?: AudioOptions[K] };

/** @throws PipelineError `BAD_OPTION` */
export function settledAudio(_options: AudioOptions = {}): AudioSettings {
  return {};
}
