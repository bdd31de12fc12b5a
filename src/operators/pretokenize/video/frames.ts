import { Failure } from '../../../sources/failure.ts';
import type { CutContext } from '../modality.ts';
import { type FfmpegResult, requireFfmpeg, runFfmpeg } from './ffmpeg.ts';
import { durationIn, type Header, readFrames, readHeader, type Shown } from './header.ts';
import type { FrameSettings, VideoSettings } from './options.ts';
import type { Program } from './program.ts';

/** Containers, and streams without one, that are read: none of them names other files. */
export const DEMUXERS: readonly string[] = [
  ...['mov', 'matroska', 'avi', 'mpegts', 'mpeg', 'mpegvideo', 'ogg', 'flv', 'asf', 'yuv4mpegpipe', 'mxf', 'ivf'],
  ...['nut', 'gxf', 'm4v', 'h264', 'hevc', 'obu', 'dv', 'rm', 'wtv', 'swf', 'vc1'],
];

/** The scaler without rounding that depends on the processor. */
const SCALER = 'bicubic+accurate_rnd+full_chroma_int+bitexact';
const CHANNELS = 3;

/** Frames as they come out of ffmpeg, one size for all, and what is known of the file. */
export interface Decoded {
  readonly header: Header;
  readonly frames: readonly Shown[];
  readonly timeBase: { readonly numerator: number; readonly denominator: number };
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits a sample, row by row, frame after frame. */
  readonly rgb: Uint8Array;
  readonly decoder: string;
  /** Whether there is more of it than was taken. */
  readonly cutOff: boolean;
  /** What ffmpeg says is wrong; undefined where nothing is. */
  readonly damage: string | undefined;
}

export function tooLong(what: string): Failure {
  return new Failure(
    'VIDEO_TOO_LONG',
    `the video ${what}`,
    "Raise it with pretokenize({ video: { maxSeconds, maxFrames } }), take fewer frames, or only the first part with { tooLong: 'cut' }.",
  );
}

export const damagedFile = (message: string): Failure =>
  new Failure(
    'DAMAGED_FILE',
    message,
    "Repair the file; pretokenize({ video: { damaged: 'keep' } }) takes what can be decoded.",
  );

/** What ffmpeg says is wrong. @throws Failure `UNDECODED`, `DAMAGED_FILE` unless damage is kept and there is something to keep */
export function damageIn({ errors, succeeded }: FfmpegResult, some: boolean, keep: boolean): string | undefined {
  const missing = errors.find((line) => /no decoder|decoder .*not found|unknown decoder|unsupported codec/i.test(line));
  if (missing !== undefined && !some) {
    throw new Failure('UNDECODED', `ffmpeg has no decoder for it: ${missing}`, 'Another build of ffmpeg may have one.');
  }
  if (errors.length === 0 && succeeded) return undefined;
  const first = errors[0] ?? 'it fails without a word';
  if (keep && some) return first;
  throw damagedFile(`ffmpeg cannot decode the file: ${first}`);
}

function selection({ fps, every, keyFrames }: FrameSettings): string {
  if (keyFrames) return "select='key'";
  if (every !== undefined) return `select='not(mod(n,${every}))'`;
  // the slot of a time that is a whole number of slots, but for rounding
  const slot = (time: string): string => `floor(${time}*${fps}+1e-6)`;
  return `select='isnan(prev_selected_t)+gt(${slot('t')},${slot('prev_selected_t')})'`;
}

function scaling(size: FrameSettings['size']): string {
  if (size === 'keep') return `scale=flags=${SCALER}`;
  if (typeof size === 'object') return `scale=${size[0]}:${size[1]}:flags=${SCALER}`;
  const side = (own: string, other: string): string => `max(1,round(${size}*min(1,${own}/${other})))`;
  return `scale=w='${side('iw', 'ih')}':h='${side('ih', 'iw')}':flags=${SCALER}`;
}

/** Width and height of what {@link scaling} makes of a frame. */
function scaled({ width, height }: Shown, size: FrameSettings['size']): readonly [number, number] {
  if (size === 'keep') return [width, height];
  if (typeof size === 'object') return size;
  const side = (own: number, other: number): number => Math.max(1, Math.round(size * Math.min(1, own / other)));
  return [side(width, height), side(height, width)];
}

/** How ffmpeg is told neither to drop nor to repeat frames: `-vsync` until 5.0, gone in some that are new. */
function asTheyAre({ version }: Program): readonly string[] {
  const [, build] = /^N-(\d+)/.exec(version) ?? [];
  const [, major] = /^n?(\d+)\./.exec(version) ?? [];
  const old = build === undefined ? Number(major) < 6 : Number(build) < 108_000;
  return old ? ['-vsync', '0'] : ['-fps_mode', 'passthrough'];
}

/**
 * Decodes the frames that the settings ask for, of the first video track, turned upright where the file says how.
 * @returns no frames where the file has no video track
 * @throws Failure `UNDECODED`, `DAMAGED_FILE`, `VIDEO_TOO_LONG`, `DECODED_TOO_LARGE`, `DECODE_TIME`, `DECODE_MEMORY`
 */
export async function decodeFrames(
  input: Uint8Array,
  frames: FrameSettings,
  settings: Pick<VideoSettings, 'maxFrames' | 'maxSeconds' | 'tooLong' | 'damaged'>,
  { ffmpeg, limits, budget }: CutContext,
): Promise<Decoded> {
  const { maxFrames, maxSeconds } = settings;
  const program = await requireFfmpeg(ffmpeg);
  const refuse = settings.tooLong === 'reject';
  let durationMs: number | undefined;
  const result = await runFfmpeg(program.path, {
    input,
    demuxers: DEMUXERS,
    inputArgs: [
      '-t',
      String(refuse ? maxSeconds + 1 : maxSeconds),
      '-flags',
      '+bitexact',
      ...(frames.keyFrames ? ['-skip_frame', 'nokey'] : []),
    ],
    args: [
      ...['-map', '0:V:0', '-an', '-sn', '-dn', ...asTheyAre(program), '-enc_time_base', '1:1000'],
      // what leaves is counted in place of being timed: no frame can come too early
      ...['-vf', `${selection(frames)},showinfo,settb=1/1000,setpts=N,${scaling(frames.size)},format=rgb24`],
      // one more than is taken tells that there are more
      ...['-frames:v', String(maxFrames + 1), '-c:v', 'rawvideo', '-f', 'rawvideo'],
    ],
    maxOutputBytes: budget.left,
    limits,
    messages: 'info',
    onLine: (line) => {
      durationMs ??= durationIn(line);
      if (refuse && durationMs !== undefined && durationMs > 1000 * maxSeconds) {
        throw tooLong(`lasts ${durationMs / 1000} seconds, and ${maxSeconds} are allowed`);
      }
    },
  });
  const { decoder, output } = result;
  const header = readHeader(result.lines);
  const none = { header, frames: [], timeBase: { numerator: 1, denominator: 1 }, width: 0, height: 0, decoder };
  if (header.streams.length > 0 && !header.streams.some(({ kind }) => kind === 'Video')) {
    return { ...none, rgb: output, cutOff: false, damage: undefined };
  }
  const shown = readFrames(result.lines);
  const [width, height] = shown.frames[0] === undefined ? [1, 1] : scaled(shown.frames[0], frames.size);
  const frameBytes = width * height * CHANNELS;
  const count = Math.min(shown.frames.length, Math.floor(output.length / frameBytes));
  const damage = damageIn(result, count > 0, settings.damaged === 'keep');
  if (damage === undefined && (output.length !== count * frameBytes || shown.frames.length < count)) {
    throw damagedFile(`ffmpeg wrote ${output.length} bytes for ${shown.frames.length} frames`);
  }
  if (count > maxFrames && refuse) throw tooLong(`has more than the ${maxFrames} frames that are allowed`);
  const { numerator, denominator } = shown.timeBase;
  const last = ((shown.frames[count - 1]?.pts ?? 0) * numerator) / denominator;
  // a second more than allowed is read: some files do not say how long they are
  if (refuse && last > maxSeconds) throw tooLong(`lasts more than the ${maxSeconds} seconds that are allowed`);
  const taken = Math.min(count, maxFrames);
  const late = durationMs !== undefined && durationMs > 1000 * maxSeconds;
  return {
    header,
    frames: shown.frames.slice(0, taken),
    timeBase: shown.timeBase,
    width,
    height,
    rgb: output.subarray(0, taken * frameBytes),
    decoder,
    cutOff: late || count > maxFrames,
    damage,
  };
}
