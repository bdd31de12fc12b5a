import { framesTable } from '../audio/frames.ts';
import type { AudioSettings } from '../audio/options.ts';
import { pcmSound } from '../audio/pcm.ts';
import { render } from '../audio/render.ts';
import { requireShape, type Sound } from '../audio/sound.ts';
import type { CutContext } from '../modality.ts';
import type { View } from '../view.ts';
import { runFfmpeg } from './ffmpeg.ts';
import { DEMUXERS, damageIn } from './frames.ts';
import type { VideoSettings } from './options.ts';

/** Bytes of an AU header (Sun): magic, where samples begin, bytes or -1, encoding, rate, channels; big-endian. */
const AU_HEADER = 24;

/** Part of the memory of a decoder process that decoded samples may take; they stand in it twice for a moment. */
const SHARE = 4;

/**
 * The first audio track, decoded to 16 bits by ffmpeg, then mixed, resampled and cut as sound is.
 * @throws Failure as ffmpeg and sound do
 */
export async function audioTrack(
  input: Uint8Array,
  codec: string,
  audio: AudioSettings,
  { maxSeconds, tooLong, damaged: whenDamaged }: VideoSettings,
  context: CutContext,
): Promise<Pick<View, 'modality' | 'derived' | 'bytes' | 'segments'>> {
  const { ffmpeg, limits, budget } = context;
  // a second more than sound may last tells that it is too long
  const seconds = Math.min(tooLong === 'cut' ? maxSeconds : Number.POSITIVE_INFINITY, audio.maxSeconds + 1);
  const result = await runFfmpeg(ffmpeg, {
    input,
    demuxers: DEMUXERS,
    args: [...['-map', '0:a:0', '-vn', '-sn', '-dn', '-t', String(seconds)], ...['-c:a', 'pcm_s16be', '-f', 'au']],
    maxOutputBytes: Math.floor(limits.memoryBytes / SHARE),
    limits,
  });
  const { output, decoder } = result;
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const whole = output.length >= AU_HEADER;
  const damage = damageIn(result, whole && output.length > view.getUint32(4), whenDamaged === 'keep');
  const [start, sampleRate, channels] = whole
    ? [view.getUint32(4), view.getUint32(16), view.getUint32(20)]
    : [output.length, 0, 0];
  requireShape(codec, sampleRate, channels);
  const samples = Math.floor((output.length - start) / (2 * channels));
  const layout = { container: '', encoding: 'signed', bytes: 2, bigEndian: true, sampleRate, channels } as const;
  const { layout: _, ...decoded } = pcmSound(output, { ...layout, start, samples });
  const sound: Sound = { ...decoded, format: codec, decoder, truncated: damage };
  const rendered = await render(sound, audio, { budget });
  const said = rendered.channels === 1 ? 'mono' : `${rendered.channels} channels`;
  return {
    modality: 'audio',
    derived: `${codec} -> pcm16le ${rendered.sampleRate} Hz ${said} (${decoder})`,
    bytes: rendered.bytes,
    segments: framesTable(rendered, sound, audio, context),
  };
}
