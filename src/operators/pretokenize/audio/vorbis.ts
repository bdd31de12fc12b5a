import { OggVorbisDecoder } from '@wasm-audio-decoders/ogg-vorbis';
import { viewOf } from './bytes.ts';
import { packageVersion } from './decoderVersion.ts';
import { inWavOrder, type OggStream, trimmed } from './ogg.ts';
import { damaged, type Planes, requireShape, type Sound } from './sound.ts';

/**
 * Vorbis in Ogg (Vorbis I, appendix A): as many samples as its last page tells.
 * @throws Failure `DAMAGED_FILE`
 */
export function vorbisSound(file: Uint8Array, { pages, truncated }: OggStream): Sound {
  const head = pages[0]?.body ?? new Uint8Array(0);
  if (head.length < 30) throw damaged('the Vorbis file ends in its header');
  const view = viewOf(head);
  const channels = view.getUint8(11);
  const sampleRate = view.getUint32(12, true);
  requireShape('Vorbis', sampleRate, channels);
  const samples = pages.findLast((page) => page.granule >= 0)?.granule ?? 0;
  return {
    format: 'ogg vorbis',
    decoder: packageVersion('@wasm-audio-decoders/ogg-vorbis'),
    sampleRate,
    channels,
    samples,
    truncated,
    peak: 1,
    async *blocks() {
      const decoder = new OggVorbisDecoder();
      await decoder.ready;
      const trim = trimmed(0, samples);
      const checked = (channelData: Planes): Planes => trim(inWavOrder(channelData));
      try {
        for (const { start, end } of pages) {
          const { channelData, errors } = await decoder.decode(file.subarray(start, end));
          if (errors[0] !== undefined) throw damaged(`the Vorbis file cannot be decoded: ${errors[0].message}`);
          yield checked(channelData);
        }
        yield checked((await decoder.flush()).channelData);
      } finally {
        decoder.free();
      }
    },
  };
}
