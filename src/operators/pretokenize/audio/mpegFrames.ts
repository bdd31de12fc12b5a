import { standsAt, viewOf } from './bytes.ts';
import { damaged } from './sound.ts';

/** Header of a frame of MPEG audio (ISO/IEC 11172-3, 13818-3), layer II or III. */
interface FrameHeader {
  /** 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5. */
  readonly version: number;
  readonly layer: 2 | 3;
  readonly sampleRate: number;
  readonly channels: number;
  readonly samples: number;
  readonly bytes: number;
}

/** kbit/s by index; MPEG-1 layer II, MPEG-1 layer III, MPEG-2 of both. */
const BITRATES = {
  v1l2: [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  v1l3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  v2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const;
const RATES = [44_100, 48_000, 32_000] as const;
const MPEG1 = 3;

/** The frame at a place; undefined where there is none, or one whose length its header does not tell. */
function frameAt(file: Uint8Array, at: number): FrameHeader | undefined {
  const [a = 0, b = 0, c = 0, d = 0] = file.subarray(at, at + 4);
  if (a !== 0xff || (b & 0xe0) !== 0xe0) return undefined;
  const version = (b >> 3) & 3;
  const layer = 4 - ((b >> 1) & 3);
  const rate = RATES[(c >> 2) & 3];
  if (version === 1 || (layer !== 2 && layer !== 3) || rate === undefined) return undefined;
  const first = version === MPEG1;
  const kilobits = BITRATES[first ? (layer === 2 ? 'v1l2' : 'v1l3') : 'v2'][c >> 4];
  if (kilobits === undefined || kilobits === 0) return undefined;
  const sampleRate = first ? rate : version === 2 ? rate / 2 : rate / 4;
  const samples = layer === 2 || first ? 1152 : 576;
  const bytes = Math.floor((samples * 125 * kilobits) / sampleRate) + ((c >> 1) & 1);
  return { version, layer, sampleRate, channels: d >> 6 === 3 ? 1 : 2, samples, bytes };
}

const alike = (a: FrameHeader, b: FrameHeader): boolean =>
  a.version === b.version && a.layer === b.layer && a.sampleRate === b.sampleRate;

/** Bytes of the ID3v2 tag at a place; 0 where there is none. */
export function id3Bytes(file: Uint8Array, at: number): number {
  if (!standsAt(file, at, 'ID3') || at + 10 > file.length) return 0;
  const [flags = 0, a = 0, b = 0, c = 0, d = 0] = file.subarray(at + 5, at + 10);
  if (((a | b | c | d) & 0x80) !== 0) return 0;
  return 10 + ((a << 21) | (b << 14) | (c << 7) | d) + ((flags & 0x10) === 0 ? 0 : 10);
}

/** Bytes of a tag or filling that may stand between frames or behind them; 0 where there is something else. */
function tagBytes(file: Uint8Array, at: number): number {
  const id3 = id3Bytes(file, at);
  if (id3 !== 0) return id3;
  if (standsAt(file, at, 'TAG') && at + 128 === file.length) return 128;
  if (standsAt(file, at, 'APETAGEX') && at + 32 <= file.length) {
    const view = viewOf(file);
    const isHeader = (view.getUint32(at + 20, true) & 0x2000_0000) !== 0;
    return view.getUint32(at + 12, true) + (isHeader ? 32 : 0);
  }
  if (standsAt(file, at, 'LYRICSBEGIN')) return file.length - at;
  let zeros = at;
  while (zeros < file.length && file[zeros] === 0) zeros++;
  return zeros - at;
}

/** Place of the `Xing` or `Info` header in a first frame, and the number of frames that it tells. */
function framesTold(file: Uint8Array, at: number, { version, channels, bytes }: FrameHeader): number | undefined {
  const side = version === MPEG1 ? (channels === 1 ? 17 : 32) : channels === 1 ? 9 : 17;
  const place = at + 4 + side;
  if (!(standsAt(file, place, 'Xing') || standsAt(file, place, 'Info')) || place + 12 > at + bytes) return undefined;
  const view = viewOf(file);
  return (view.getUint32(place + 4) & 1) === 0 ? undefined : view.getUint32(place + 8);
}

/** What the frames of a file add up to. */
export interface MpegFrames {
  readonly layer: 2 | 3;
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples of each channel, those included that a decoder leaves out at both ends. */
  readonly samples: number;
  /** Runs of whole frames, from a byte to the one behind. */
  readonly runs: readonly (readonly [start: number, end: number])[];
  readonly truncated?: string | undefined;
}

/** Bytes before the first frame that are looked through for it. */
const SEARCHED = 64 << 10;

/** Where frames begin: where three follow one another, or one stands at once and nothing else comes behind it. */
function firstFrame(file: Uint8Array): number | undefined {
  let start = 0;
  for (let tag = id3Bytes(file, start); tag !== 0; tag = id3Bytes(file, start)) start += tag;
  for (let at = start; at < Math.min(file.length, start + SEARCHED); at++) {
    const first = frameAt(file, at);
    if (first === undefined) continue;
    let end = at + first.bytes;
    let found = 1;
    for (; found < 3; found++) {
      const frame = frameAt(file, end);
      if (frame === undefined || !alike(first, frame)) break;
      end += frame.bytes;
    }
    if (found === 3 || (at === start && (end > file.length - 4 || tagBytes(file, end) !== 0))) return at;
  }
  return undefined;
}

/**
 * The frames of an MPEG audio file, with the tags around them left out. Undefined where there are none.
 * @throws Failure `DAMAGED_FILE` where something else stands between frames
 */
export function mpegFrames(file: Uint8Array): MpegFrames | undefined {
  const start = firstFrame(file);
  const first = start === undefined ? undefined : frameAt(file, start);
  if (start === undefined || first === undefined) return undefined;
  const told = framesTold(file, start, first);
  const runs: [number, number][] = [];
  let channels = first.channels;
  let frames = 0;
  let at = start;
  let truncated: string | undefined;
  for (let from = start; ; from = at) {
    for (let frame = frameAt(file, at); frame !== undefined; frame = frameAt(file, at)) {
      if (!alike(first, frame)) throw damaged(`the MP3 file changes its format at byte ${at}`);
      if (at + frame.bytes > file.length) {
        truncated = `of the last frame ${file.length - at} of ${frame.bytes} bytes are there`;
        break;
      }
      channels = Math.max(channels, frame.channels);
      frames++;
      at += frame.bytes;
    }
    if (at > from) runs.push([from, at]);
    if (at >= file.length || truncated !== undefined) break;
    const tag = tagBytes(file, at);
    if (tag === 0 && file.length - at < 4) truncated = 'the last frame is not whole';
    else if (tag === 0) throw damaged(`in the MP3 file no frame is at byte ${at}, where one should be`);
    at += tag;
    if (at >= file.length) break;
  }
  // the frame that tells their number is none of them
  if (told !== undefined && frames - 1 < told) truncated ??= `${told} frames are promised, and ${frames - 1} are there`;
  const { layer, sampleRate, samples } = first;
  return { layer, sampleRate, channels, samples: samples * frames, runs, truncated };
}
