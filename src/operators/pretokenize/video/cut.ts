import type { Meta } from '../../../records.ts';
import { Failure } from '../../../sources/failure.ts';
import { chargePatches, patchTable } from '../image/patchTable.ts';
import type { CutContext, Cutter } from '../modality.ts';
import type { Cut, SegmentTable, View } from '../view.ts';
import { audioTrack } from './audioTrack.ts';
import { missingEnd } from './completeness.ts';
import { requireFfmpeg, runFfmpeg } from './ffmpeg.ts';
import { DEMUXERS, type Decoded, damagedFile, decodeFrames, tooLong } from './frames.ts';
import { type Header, readHeader } from './header.ts';
import type { FrameSettings, VideoSettings } from './options.ts';
import { isText, subtitleTrack } from './subtitles.ts';

const CHANNELS = 3;

/**
 * Video as frames, with its sound and its subtitles as further views of the same record. What has no video track is sound, in
 * the record's own view.
 *
 * @throws Failure `UNDECODED` without ffmpeg, `DAMAGED_FILE`, `VIDEO_TOO_LONG`, `EMPTY_DOCUMENT`, `DECODED_TOO_LARGE`,
 *   `DECODE_TIME`, `DECODE_MEMORY`
 */
export const cutVideo: Cutter<VideoSettings> = async ({ bytes, mediaType }, settings, context) => {
  await requireFfmpeg(context.ffmpeg);
  const missing = missingEnd(bytes);
  if (settings.damaged === 'reject' && missing !== undefined) throw damagedFile(missing);
  const decoded = settings.frames === false ? undefined : await decodeFrames(bytes, settings.frames, settings, context);
  const header = decoded?.header ?? (await headerOf(bytes, context));
  if (header.streams.length === 0) throw damagedFile('ffmpeg finds no video, sound or text in the file');
  const { durationMs } = header;
  if (settings.tooLong === 'reject' && durationMs !== undefined && durationMs > 1000 * settings.maxSeconds) {
    throw tooLong(`lasts ${durationMs / 1000} seconds, and ${settings.maxSeconds} are allowed`);
  }
  const video = header.streams.find(({ kind }) => kind === 'Video');
  const cuts: Cut[] = [];
  if (video !== undefined && decoded !== undefined && settings.frames !== false) {
    if (decoded.frames.length === 0) throw new Failure('EMPTY_DOCUMENT', 'the video has no frame');
    cuts.push(
      framesView({ ...decoded, damage: decoded.damage ?? missing }, video.codec, settings.frames, mediaType, context),
    );
  }
  const audio = header.streams.find(({ kind }) => kind === 'Audio');
  if (audio !== undefined && settings.audio !== false) {
    const of = audioTrack(bytes, audio.codec, settings.audio, settings, context);
    // a container without pictures is sound
    if (video === undefined) return [{ suffix: '', mediaType, ...(await of) }];
    cuts.push(await further('#audio', { mediaType }, of));
  }
  const texts = header.streams.filter(({ kind }) => kind === 'Subtitle');
  const index = texts.findIndex(({ codec }) => isText(codec));
  const text = texts[index];
  if (text !== undefined && settings.subtitles) {
    const of = subtitleTrack(bytes, { codec: text.codec, index }, settings, context);
    cuts.push(await further('#subtitles', {}, of));
  }
  if (cuts.length > 0) return cuts.length === 1 ? cuts.map(alone) : cuts;
  throw new Failure('EMPTY_DOCUMENT', 'the file has none of the tracks that are wanted');
};

/** A view that has no siblings is no view of a record. */
function alone(cut: Cut): Cut {
  if ('code' in cut || cut.suffix !== '') return cut;
  const { record: _, ...rest } = cut;
  return rest;
}

/** A view beside the frames; what cannot be had of it is one view less. */
async function further<V extends Omit<View, 'suffix' | 'mediaType'>>(
  suffix: string,
  facts: { readonly mediaType?: string },
  of: Promise<V & { readonly mediaType?: string }>,
): Promise<Cut> {
  try {
    const view = await of;
    return { suffix, record: '', ...view, mediaType: view.mediaType ?? facts.mediaType ?? '' };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { code, message, hint } = error;
    return { suffix, code, message, hint };
  }
}

/** What ffmpeg says of a file of which no frames are wanted. */
async function headerOf(input: Uint8Array, { ffmpeg, limits }: CutContext): Promise<Header> {
  const args = ['-map', '0', '-c', 'copy', '-t', '0', '-f', 'null'];
  const task = { input, demuxers: DEMUXERS, args, maxOutputBytes: 0, limits, messages: 'info' } as const;
  return readHeader((await runFfmpeg(ffmpeg, task)).lines);
}

function framesView(
  decoded: Decoded,
  codec: string,
  settings: FrameSettings,
  mediaType: string,
  context: CutContext,
): View {
  const { decoder, frames, width, height, rgb, timeBase, header, damage, cutOff } = decoded;
  const [first] = frames;
  const meta: Meta = {
    frame_width: width,
    frame_height: height,
    source_width: first?.width ?? 0,
    source_height: first?.height ?? 0,
    channels: CHANNELS,
    video_codec: codec,
    time_base: `${timeBase.numerator}/${timeBase.denominator}`,
    decoder,
    ...(header.durationMs === undefined ? {} : { duration_ms: header.durationMs }),
    ...(cutOff ? { cut_off: true } : {}),
    ...(damage === undefined ? {} : { damage }),
  };
  const derived = `${codec} -> rgb8 ${width}x${height} (${decoder})`;
  const view = { suffix: '', record: '', modality: 'video', mediaType, derived } as const;
  if (settings.patches !== undefined) {
    const size = width * height * CHANNELS;
    const pictures = frames.map((_, n) => ({ width, height, rgb: rgb.subarray(n * size, (n + 1) * size) }));
    chargePatches(pictures, settings.patches, context.budget);
    const { bytes, segments } = patchTable(pictures, settings.patches, context.maxSegmentBytes, meta);
    return { ...view, bytes, segments: timed(segments, factsOf(decoded)) };
  }
  context.budget.take(rgb.length, `the video, ${frames.length} frames of ${width} x ${height},`);
  const ends = Float64Array.from(frames, (_, n) => (n + 1) * width * height * CHANNELS);
  return { ...view, bytes: rgb, segments: { ends, labels: ['video_frame'], meta, metas: factsOf(decoded) } };
}

/** What is known of each frame. */
function factsOf({ frames, timeBase: { numerator, denominator } }: Decoded): Meta[] {
  return frames.map(({ pts, keyFrame }, index) => ({
    frame_index: index,
    ...(pts === undefined ? {} : { pts, timestamp_ms: (1000 * pts * numerator) / denominator }),
    key_frame: keyFrame,
  }));
}

/** Patches of frames with what is known of these, where those of pictures tell a number alone. */
function timed(table: SegmentTable, facts: readonly Meta[]): SegmentTable {
  const labels = table.labels.map((label) => label.replace(/^image/, 'video'));
  if (facts.length === 1) return { ...table, labels, meta: { ...table.meta, ...facts[0] } };
  const metas = table.metas?.map((meta = {}) => {
    const { frame, ...own } = meta;
    return { ...own, ...facts[Number(frame)] };
  });
  return { ...table, labels, metas };
}
