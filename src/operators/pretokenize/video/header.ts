/** A stream, as ffmpeg tells of it. */
export interface Stream {
  readonly kind: 'Video' | 'Audio' | 'Subtitle';
  /** ffmpeg's name of the codec; `none` where it knows none. */
  readonly codec: string;
}

/** What ffmpeg says of a file before it decodes it. */
export interface Header {
  readonly streams: readonly Stream[];
  /** Undefined where the file does not say. */
  readonly durationMs: number | undefined;
}

const DURATION = /^\[info\] {3}Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)/;
const STREAM = /^\[info\] +Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\([^)]*\))?: (Video|Audio|Subtitle): (\w+)(.*)/;
/** What follows is about the output. */
const OUTPUT = /^\[info\] (Stream mapping:|Output #0)/;

/** Duration in milliseconds, where the line says one. */
export function durationIn(line: string): number | undefined {
  const [, hours, minutes, seconds] = DURATION.exec(line) ?? [];
  if (seconds === undefined) return undefined;
  return Math.round(1000 * (3600 * Number(hours) + 60 * Number(minutes) + Number(seconds)));
}

/** Reads what ffmpeg prints of its input, with `-loglevel level+info`. Pictures that come with sound, as covers, are no video. */
export function readHeader(lines: readonly string[]): Header {
  const streams: Stream[] = [];
  let durationMs: number | undefined;
  for (const line of lines) {
    if (OUTPUT.test(line)) break;
    durationMs ??= durationIn(line);
    const [, kind, codec = '', rest = ''] = STREAM.exec(line) ?? [];
    if (kind === undefined || rest.includes('(attached pic)')) continue;
    streams.push({ kind: kind as Stream['kind'], codec });
  }
  return { streams, durationMs };
}

/** A frame, as the filter `showinfo` sees it. */
export interface Shown {
  /** In units of the time base, from the beginning of the file; undefined where the frame has none. */
  readonly pts: number | undefined;
  readonly width: number;
  readonly height: number;
  readonly keyFrame: boolean;
}

export interface ShownFrames {
  readonly frames: readonly Shown[];
  /** A unit of `pts` in seconds. */
  readonly timeBase: { readonly numerator: number; readonly denominator: number };
}

const FRAME = /^\[Parsed_showinfo_\d+ @ [^\]]+\] \[info\] n: *\d+ pts: *(-?\d+|NOPTS) .*? s:(\d+)x(\d+) .*?iskey:(\d)/;
const TIME_BASE = /^\[Parsed_showinfo_\d+ @ [^\]]+\] \[info\] config in time_base: (\d+)\/(\d+)/;

export function readFrames(lines: readonly string[]): ShownFrames {
  const frames: Shown[] = [];
  let timeBase = { numerator: 1, denominator: 1 };
  for (const line of lines) {
    const [, numerator, denominator] = TIME_BASE.exec(line) ?? [];
    if (denominator !== undefined) timeBase = { numerator: Number(numerator), denominator: Number(denominator) };
    const [, pts = '', width, height, key] = FRAME.exec(line) ?? [];
    if (key === undefined) continue;
    frames.push({
      pts: pts === 'NOPTS' ? undefined : Number(pts),
      width: Number(width),
      height: Number(height),
      keyFrame: key === '1',
    });
  }
  return { frames, timeBase };
}
