import { Failure } from '../../../sources/failure.ts';
import type { Cutter } from '../modality.ts';
import { framesTable } from './frames.ts';
import { openSound } from './openSound.ts';
import type { AudioSettings } from './options.ts';
import { render } from './render.ts';
import { damaged, type Sound } from './sound.ts';

/**
 * Sound as frames of 16-bit samples: decoded, mixed and resampled as the settings say.
 * @throws Failure `AUDIO_TOO_LONG`, `DAMAGED_FILE`, `DECODED_TOO_LARGE`, `EMPTY_DOCUMENT`, `UNDECODED`
 */
export const cutAudio: Cutter<AudioSettings> = async (input, settings, context) => {
  const sound = await openSound(input, context, settings.maxSeconds);
  if (sound.truncated !== undefined && settings.truncated === 'reject') throw tooShort(sound);
  const rendered = await render(sound, settings, context);
  const { sampleRate, channels, bytes } = rendered;
  const layout = channels === 1 ? 'mono' : `${channels} channels`;
  return [
    {
      suffix: '',
      modality: 'audio',
      mediaType: input.mediaType,
      derived: `${sound.format} -> pcm16le ${sampleRate} Hz ${layout} (${sound.decoder})`,
      bytes,
      segments: framesTable(rendered, sound, settings, context),
    },
  ];
};

function tooShort({ format, truncated }: Sound): Error {
  const failure = damaged(`the ${format} file ends too early: ${truncated}`);
  return new Failure(
    failure.code,
    failure.message,
    "Take what is there with pretokenize({ audio: { truncated: 'keep' } }).",
  );
}
