import { PipelineError } from '../../../errors.ts';

/** How sound is taken apart: decoded, mixed, resampled, and cut into frames of 16-bit samples. */
export interface AudioOptions {
  /** Samples a second of what comes out, 1000 to 768,000; `keep` leaves those of the file. Default: 16,000. */
  readonly sampleRate?: number | 'keep' | undefined;
  /** `mono` takes the mean of all channels; `keep` leaves them, interleaved. Default: `mono`. */
  readonly channels?: 'mono' | 'keep' | undefined;
  /** Samples of a frame, for each channel. Default: 160, which is 10 ms at 16 kHz. */
  readonly frameSamples?: number | undefined;
  /**
   * What a segment is, hence what the model sees without interruption: a `stretch` of whole frames, or one `frame`.
   * Default: `stretch`.
   */
  readonly unit?: 'stretch' | 'frame' | undefined;
  /** Seconds of a stretch: as many whole frames as fit, one at least. Default: 10. */
  readonly segmentSeconds?: number | undefined;
  /** Fills the last frame with silence where it is not whole. Default: false: it is as short as it is. */
  readonly pad?: boolean | undefined;
  /** Seconds that a record may last; longer ones are rejected as `AUDIO_TOO_LONG`. Default: 7200. */
  readonly maxSeconds?: number | undefined;
  /**
   * What becomes of files that end too early: rejected as `DAMAGED_FILE`, or taken as far as they go, which
   * `meta.truncated` says. Default: `reject`.
   */
  readonly truncated?: 'reject' | 'keep' | undefined;
}

export const AUDIO_OPTIONS = {
  sampleRate: true,
  channels: true,
  frameSamples: true,
  unit: true,
  segmentSeconds: true,
  pad: true,
  maxSeconds: true,
  truncated: true,
} as const;

/** {@link AudioOptions} with nothing left out; plain values, which cross to decoder processes. */
export type AudioSettings = { readonly [K in keyof AudioOptions]-?: NonNullable<AudioOptions[K]> };

const MOST_FRAME_SAMPLES = 1 << 20;

/** @throws PipelineError `BAD_OPTION` */
export function settledAudio(options: AudioOptions = {}): AudioSettings {
  const settled: AudioSettings = {
    sampleRate: options.sampleRate ?? 16_000,
    channels: options.channels ?? 'mono',
    frameSamples: options.frameSamples ?? 160,
    unit: options.unit ?? 'stretch',
    segmentSeconds: options.segmentSeconds ?? 10,
    pad: options.pad ?? false,
    maxSeconds: options.maxSeconds ?? 7200,
    truncated: options.truncated ?? 'reject',
  };
  const { sampleRate, frameSamples, segmentSeconds, maxSeconds } = settled;
  const whole = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  const seconds = (value: number) => Number.isFinite(value) && value > 0;
  const wanted: readonly (readonly [keyof AudioSettings, boolean, string])[] = [
    [
      'sampleRate',
      sampleRate === 'keep' || whole(sampleRate, 1000, 768_000),
      "a whole number from 1000 to 768000, or 'keep'",
    ],
    ['channels', ['mono', 'keep'].includes(settled.channels), "'mono' or 'keep'"],
    ['frameSamples', whole(frameSamples, 1, MOST_FRAME_SAMPLES), `a whole number from 1 to ${MOST_FRAME_SAMPLES}`],
    ['unit', ['stretch', 'frame'].includes(settled.unit), "'stretch' or 'frame'"],
    ['segmentSeconds', seconds(segmentSeconds), 'a number above 0'],
    ['pad', typeof settled.pad === 'boolean', 'true or false'],
    ['maxSeconds', seconds(maxSeconds), 'a number above 0'],
    ['truncated', ['reject', 'keep'].includes(settled.truncated), "'reject' or 'keep'"],
  ];
  for (const [name, good, range] of wanted) {
    if (good) continue;
    throw new PipelineError(`audio: ${name} is ${settled[name]}; it must be ${range}`, { code: 'BAD_OPTION' });
  }
  return settled;
}
