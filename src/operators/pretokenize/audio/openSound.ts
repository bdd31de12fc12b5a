import type { CutContext, CutInput } from '../modality.ts';
import { aiffLayout } from './aiff.ts';
import { standsAt } from './bytes.ts';
import { cafLayout } from './caf.ts';
import { id3Bytes } from './mpegFrames.ts';
import { oggSound, packetsOf } from './ogg.ts';
import { type PcmLayout, pcmSound } from './pcm.ts';
import { damaged, type Sound } from './sound.ts';
import { wavLayout } from './wav.ts';

type Opened = Sound | undefined;

const pcm = (bytes: Uint8Array, layout: PcmLayout | undefined): Opened =>
  layout === undefined ? undefined : pcmSound(bytes, layout);

/** Whether bytes begin like AAC in ADTS, whose frames look much like those of MPEG audio. */
const isAdts = ([first = 0, second = 0]: Uint8Array): boolean => first === 0xff && (second & 0xf6) === 0xf0;

async function ogg(bytes: Uint8Array): Promise<Opened> {
  const stream = oggSound(bytes);
  if (stream?.codec === 'opus') return (await import('./opus.ts')).opusSound(stream);
  if (stream?.codec === 'vorbis') return (await import('./vorbis.ts')).vorbisSound(bytes, stream);
  if (stream?.codec !== 'flac') return undefined;
  const { packedFlacSound } = await import('./flac.ts');
  return packedFlacSound(packetsOf(stream).packets, stream.truncated);
}

/** What begins like a format that is decoded here; undefined where it does not, or is of a kind that is not. */
async function known(bytes: Uint8Array): Promise<Opened> {
  if (['RIFF', 'RIFX', 'RF64', 'BW64'].some((name) => standsAt(bytes, 0, name)) && standsAt(bytes, 8, 'WAVE')) {
    return pcm(bytes, wavLayout(bytes));
  }
  if (standsAt(bytes, 0, 'FORM') && (standsAt(bytes, 8, 'AIFF') || standsAt(bytes, 8, 'AIFC'))) {
    return pcm(bytes, aiffLayout(bytes));
  }
  if (standsAt(bytes, 0, 'caff')) return pcm(bytes, cafLayout(bytes));
  if (standsAt(bytes, 0, 'OggS')) return ogg(bytes);
  if (standsAt(bytes, id3Bytes(bytes, 0), 'fLaC')) return (await import('./flac.ts')).nativeFlacSound(bytes);
  return isAdts(bytes.subarray(id3Bytes(bytes, 0))) ? undefined : (await import('./mp3.ts')).mp3Sound(bytes);
}

/**
 * Sound that can be decoded, by the decoder for its format; by ffmpeg, where there is one, for all other formats.
 * @throws Failure `DAMAGED_FILE`, `UNDECODED`, and those of `runFfmpeg`
 */
export async function openSound(input: CutInput, context: CutContext, maxSeconds: number): Promise<Sound> {
  const sound = await known(input.bytes);
  if (sound !== undefined) return sound;
  if (input.mediaType === 'audio/mpeg' && context.ffmpeg === undefined) {
    throw damaged('the MP3 file has no frames of layer II or III');
  }
  const { ffmpegSound } = await import('./ffmpegSound.ts');
  return ffmpegSound(input, context, maxSeconds);
}
