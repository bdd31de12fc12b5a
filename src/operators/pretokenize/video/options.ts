import { PipelineError } from '../../../errors.ts';
import { AUDIO_OPTIONS, type AudioOptions, type AudioSettings, settledAudio } from '../audio/options.ts';
import { IMAGE_OPTIONS, type ImageOptions, type ImageSettings, settledPatches } from '../image/options.ts';

/** Which frames of a video are taken, and what becomes of them. One of `fps`, `every` and `keyFrames` at most. */
export interface FrameOptions {
  /** The first frame of every 1/`fps` of a second; none is taken twice. Default: 1. */
  readonly fps?: number | undefined;
  /** Every n-th frame, the first one included. */
  readonly every?: number | undefined;
  /** Key frames alone, which decode much faster. */
  readonly keyFrames?: boolean | undefined;
  /**
   * Pixels: `[width, height]` whatever the picture's aspect; one number for its longest side, the aspect kept; or `keep`.
   * Default: `[224, 224]`, as blt-burn has it.
   */
  readonly size?: readonly [width: number, height: number] | number | 'keep' | undefined;
  /** What a segment is: a `frame`, or a `patch` of one as pictures are cut. Default: `frame`. */
  readonly unit?: 'frame' | 'patch' | undefined;
  /** How frames are cut, where they are. */
  readonly patches?: ImageOptions | undefined;
}

/** How video is taken apart: by ffmpeg, into frames, sound and subtitles. */
export interface VideoOptions {
  /** `false` takes none. */
  readonly frames?: FrameOptions | false | undefined;
  /** How the first audio track is cut, as a view of its own, `#audio`; `false` leaves it. */
  readonly audio?: AudioOptions | false | undefined;
  /** Whether the first track of subtitles that are text becomes a view of its own, `#subtitles`. Default: true. */
  readonly subtitles?: boolean | undefined;
  /** Frames that are taken at most. Default: 1000. */
  readonly maxFrames?: number | undefined;
  /** Seconds that a video may last. Default: 7200. */
  readonly maxSeconds?: number | undefined;
  /**
   * What becomes of videos that last longer or have more frames: rejected as `VIDEO_TOO_LONG`, or taken from the beginning as
   * far as allowed, which `meta.cut_off` says. Default: `reject`.
   */
  readonly tooLong?: 'reject' | 'cut' | undefined;
  /**
   * What becomes of files of which ffmpeg says that something is wrong: rejected as `DAMAGED_FILE`, or what could be decoded
   * is taken, and `meta.damage` says what it says first. Default: `reject`.
   */
  readonly damaged?: 'reject' | 'keep' | undefined;
}

export const VIDEO_OPTIONS = {
  frames: { fps: true, every: true, keyFrames: true, size: true, unit: true, patches: IMAGE_OPTIONS },
  audio: AUDIO_OPTIONS,
  subtitles: true,
  maxFrames: true,
  maxSeconds: true,
  tooLong: true,
  damaged: true,
} as const;

export interface FrameSettings {
  readonly fps: number | undefined;
  readonly every: number | undefined;
  readonly keyFrames: boolean;
  readonly size: readonly [width: number, height: number] | number | 'keep';
  /** Undefined where a segment is a frame. */
  readonly patches: ImageSettings | undefined;
}

/** {@link VideoOptions} with nothing left out; plain values, which cross to decoder processes. */
export interface VideoSettings {
  readonly frames: FrameSettings | false;
  readonly audio: AudioSettings | false;
  readonly subtitles: boolean;
  readonly maxFrames: number;
  readonly maxSeconds: number;
  readonly tooLong: 'reject' | 'cut';
  readonly damaged: 'reject' | 'keep';
}

const MOST_FRAMES = 1_000_000;
const MOST_SIDE = 8192;

/** @throws PipelineError `BAD_OPTION` */
export function settledVideo(options: VideoOptions = {}): VideoSettings {
  const { frames = {}, audio = {}, subtitles = true, maxFrames = 1000, maxSeconds = 7200 } = options;
  const { tooLong = 'reject', damaged = 'reject' } = options;
  const settled: VideoSettings = {
    frames: frames === false ? false : settledFrames(frames),
    audio: audio === false ? false : settledAudio(audio),
    subtitles,
    maxFrames,
    maxSeconds,
    tooLong,
    damaged,
  };
  requireOption('subtitles', typeof subtitles === 'boolean', subtitles, 'true or false');
  requireOption('maxFrames', isWhole(maxFrames, 1, MOST_FRAMES), maxFrames, `a whole number from 1 to ${MOST_FRAMES}`);
  requireOption('maxSeconds', Number.isFinite(maxSeconds) && maxSeconds > 0, maxSeconds, 'a number above 0');
  requireOption('tooLong', ['reject', 'cut'].includes(tooLong), tooLong, "'reject' or 'cut'");
  requireOption('damaged', ['reject', 'keep'].includes(damaged), damaged, "'reject' or 'keep'");
  if (settled.frames === false && settled.audio === false && !subtitles) {
    throw new PipelineError('pretokenize: video: frames, audio and subtitles are all left out', {
      code: 'BAD_OPTION',
      hint: 'video: false passes the bytes of videos as they are.',
    });
  }
  return settled;
}

function settledFrames({ fps, every, keyFrames = false, size = [224, 224], unit = 'frame', patches }: FrameOptions) {
  const given = [fps, every, keyFrames || undefined].filter((one) => one !== undefined);
  if (given.length > 1) {
    throw new PipelineError('pretokenize: video: only one of fps, every and keyFrames can say which frames are taken', {
      code: 'BAD_OPTION',
    });
  }
  const isSide = (side: unknown): boolean => isWhole(side, 1, MOST_SIDE);
  requireOption('frames.fps', fps === undefined || (fps >= 0.001 && fps <= 1000), fps, 'a number from 0.001 to 1000');
  requireOption('frames.every', every === undefined || isWhole(every, 1, MOST_FRAMES), every, `1 to ${MOST_FRAMES}`);
  requireOption('frames.keyFrames', typeof keyFrames === 'boolean', keyFrames, 'true or false');
  requireOption('frames.unit', ['frame', 'patch'].includes(unit), unit, "'frame' or 'patch'");
  requireOption(
    'frames.size',
    size === 'keep' || isSide(size) || (Array.isArray(size) && size.length === 2 && size.every(isSide)),
    size,
    `'keep', a whole number from 1 to ${MOST_SIDE}, or two of them`,
  );
  requireOption(
    'frames.patches',
    patches === undefined || unit === 'patch',
    patches,
    "left out, unless frames.unit is 'patch'",
  );
  const settled: FrameSettings = {
    fps: given.length === 0 ? 1 : fps,
    every,
    keyFrames,
    size,
    patches: unit === 'patch' ? settledPatches(patches) : undefined,
  };
  return settled;
}

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;

function requireOption(name: string, good: boolean, value: unknown, range: string): void {
  if (good) return;
  throw new PipelineError(`pretokenize: video: ${name} is ${JSON.stringify(value)}; it must be ${range}`, {
    code: 'BAD_OPTION',
  });
}
