import type { CutContext, CutInput } from '../modality.ts';
import { aiffLayout } from './aiff.ts';
import { standsAt } from './bytes.ts';
import { cafLayout } from './caf.ts';
import { type PcmLayout, pcmSound } from './pcm.ts';
import { type Sound, undecoded } from './sound.ts';
import { wavLayout } from './wav.ts';

type Opened = Sound | undefined;

const pcm = (bytes: Uint8Array, layout: PcmLayout | undefined): Opened =>
  layout === undefined ? undefined : pcmSound(bytes, layout);

/** What begins like a format that is decoded here; undefined where it does not, or is of a kind that is not. */
async function known(bytes: Uint8Array): Promise<Opened> {
  if (['RIFF', 'RIFX', 'RF64', 'BW64'].some((name) => standsAt(bytes, 0, name)) && standsAt(bytes, 8, 'WAVE')) {
    return pcm(bytes, wavLayout(bytes));
  }
  if (standsAt(bytes, 0, 'FORM') && (standsAt(bytes, 8, 'AIFF') || standsAt(bytes, 8, 'AIFC'))) {
    return pcm(bytes, aiffLayout(bytes));
  }
  if (standsAt(bytes, 0, 'caff')) return pcm(bytes, cafLayout(bytes));
  return undefined;
}

/**
 * Sound that can be decoded, by the decoder for its format; by ffmpeg, where there is one, for all other formats.
 * @throws Failure `DAMAGED_FILE`, `UNDECODED`
 */
export async function openSound({ bytes, mediaType }: CutInput, _context: CutContext): Promise<Sound> {
  const sound = await known(bytes);
  if (sound !== undefined) return sound;
  throw undecoded(mediaType, false);
}
