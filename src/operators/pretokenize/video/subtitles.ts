import { Failure } from '../../../sources/failure.ts';
import type { CutContext } from '../modality.ts';
import { SegmentTableBuilder } from '../segmentTable.ts';
import type { View } from '../view.ts';
import { runFfmpeg } from './ffmpeg.ts';
import { DEMUXERS, damageIn } from './frames.ts';
import type { VideoSettings } from './options.ts';

/** Codecs of subtitles that are text; others are pictures. */
const TEXTS = new Set([
  ...['subrip', 'srt', 'mov_text', 'webvtt', 'ass', 'ssa', 'text', 'jacosub', 'microdvd', 'mpl2', 'pjs', 'realtext'],
  ...['sami', 'stl', 'subviewer', 'subviewer1', 'vplayer', 'eia_608', 'ttml', 'hdmv_text_subtitle'],
]);

export const isText = (codec: string): boolean => TEXTS.has(codec);

/** What is said while a video runs. */
interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  /** Lines, the last one ended. */
  readonly text: string;
}

const TIMES = /^(\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d+):(\d\d):(\d\d)[,.](\d{3})/;

const milliseconds = (parts: readonly string[]): number => {
  const [hours = 0, minutes = 0, seconds = 0, rest = 0] = parts.map(Number);
  return 1000 * (3600 * hours + 60 * minutes + seconds) + rest;
};

/** Cues of SubRip, as ffmpeg writes it: a number, times, lines, an empty line. A number alone before times ends the cue above. */
export function readCues(srt: string): Cue[] {
  const lines = srt.split(/\r?\n/);
  const starts = lines.flatMap((line, at) => (TIMES.test(line) && /^\d+$/.test(lines[at - 1] ?? '') ? [at] : []));
  return starts.flatMap((at, cue) => {
    const times = TIMES.exec(lines[at] ?? '')?.slice(1) ?? [];
    const end = (starts[cue + 1] ?? lines.length + 1) - 1;
    const text = lines
      .slice(at + 1, end)
      .join('\n')
      .trim();
    if (text === '') return [];
    return [{ startMs: milliseconds(times.slice(0, 4)), endMs: milliseconds(times.slice(4)), text: `${text}\n` }];
  });
}

/**
 * The first track of subtitles as text: a segment for each cue, without its formatting, with its times beside it.
 * @throws Failure `UNDECODED`, `DAMAGED_FILE`, `EMPTY_DOCUMENT` where nothing is said, and as ffmpeg's runner does
 */
export async function subtitleTrack(
  input: Uint8Array,
  track: { readonly codec: string; readonly index: number },
  { maxSeconds, tooLong, damaged }: VideoSettings,
  { ffmpeg, limits, budget }: CutContext,
): Promise<Pick<View, 'modality' | 'mediaType' | 'derived' | 'bytes' | 'segments'>> {
  const result = await runFfmpeg(ffmpeg, {
    input,
    demuxers: DEMUXERS,
    args: [
      ...['-map', `0:s:${track.index}`, '-vn', '-an', '-dn', ...(tooLong === 'cut' ? ['-t', String(maxSeconds)] : [])],
      ...['-c:s', 'text', '-f', 'srt'],
    ],
    maxOutputBytes: budget.left,
    limits,
  });
  const { output, decoder } = result;
  const damage = damageIn(result, output.length > 0, damaged === 'keep');
  const cues = readCues(Buffer.from(output.buffer, output.byteOffset, output.byteLength).toString('utf8'));
  if (cues.length === 0) throw new Failure('EMPTY_DOCUMENT', 'the subtitles say nothing');
  const pieces = cues.map(({ text }) => Buffer.from(text));
  budget.take(
    pieces.reduce((sum, piece) => sum + piece.length, 0),
    'the text of the subtitles',
  );
  const builder = new SegmentTableBuilder();
  for (const [index, { startMs, endMs }] of cues.entries()) {
    const meta = { cue: index, start_ms: startMs, end_ms: endMs };
    builder.add({ length: pieces[index]?.length ?? 0, label: 'subtitle', meta });
  }
  return {
    modality: 'text',
    mediaType: 'text/plain',
    derived: `${track.codec} -> utf-8 (${decoder})`,
    bytes: Buffer.concat(pieces),
    segments: builder.table({ charset: 'utf-8', decoder, ...(damage === undefined ? {} : { damage }) }),
  };
}
