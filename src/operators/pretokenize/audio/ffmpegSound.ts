import type { CutContext, CutInput } from '../modality.ts';
import { runFfmpeg } from '../video/ffmpeg.ts';
import { pcmSound } from './pcm.ts';
import { damaged, type Sound, undecoded } from './sound.ts';
import { wavLayout } from './wav.ts';

/** Demuxers of formats that are sound, or may be; none of them opens another file. */
const DEMUXERS = [
  ...['aac', 'ac3', 'aiff', 'amr', 'amrnb', 'amrwb', 'ape', 'asf', 'au', 'avi', 'caf', 'dsf', 'dts', 'eac3'],
  ...['flac', 'flv', 'matroska', 'mov', 'mp3', 'mpc', 'mpc8', 'mpegts', 'ogg', 'shn', 'tak', 'tta', 'voc', 'w64'],
  ...['wav', 'wv'],
];

/** What ffmpeg says where it lacks a decoder, or there is nothing to decode. */
const UNKNOWN =
  /decoder .*not found|not supported|unsupported|matches no streams|does not contain any stream|not in allowed/i;

/** Part of the memory of a decoder process that samples of ffmpeg may take; they stand in it twice for a moment. */
const SHARE = 4;

/**
 * Sound that ffmpeg decodes, to 16 bits: the first stream of it in the file. What ffmpeg complains about counts as missing.
 * @throws Failure `DAMAGED_FILE`, `UNDECODED`, and those of `runFfmpeg`
 */
export async function ffmpegSound(
  { bytes, mediaType }: CutInput,
  { ffmpeg, limits }: Pick<CutContext, 'ffmpeg' | 'limits'>,
  maxSeconds: number,
): Promise<Sound> {
  if (ffmpeg === undefined) throw undecoded(mediaType, false);
  const { output, errors, decoder } = await runFfmpeg(ffmpeg, {
    input: bytes,
    demuxers: DEMUXERS,
    // a second more tells that it is too long
    args: ['-map', '0:a:0', '-t', String(maxSeconds + 1), '-c:a', 'pcm_s16le', '-bitexact', '-f', 'wav'],
    maxOutputBytes: Math.floor(limits.memoryBytes / SHARE),
    limits,
  });
  const [complaint] = errors;
  const layout = output.length === 0 ? undefined : wavLayout(output);
  if (layout === undefined || (layout.samples === 0 && complaint !== undefined)) {
    if (errors.some((error) => UNKNOWN.test(error))) throw undecoded(mediaType, true);
    throw damaged(`ffmpeg cannot decode the file of type ${mediaType}: ${complaint ?? 'it gives nothing'}`);
  }
  const { layout: _, ...sound } = pcmSound(output, layout);
  const truncated = complaint === undefined ? undefined : `ffmpeg says: ${complaint}`;
  return { ...sound, format: mediaType.replace(/^[a-z]+\/(x-)?/, ''), decoder, truncated };
}
