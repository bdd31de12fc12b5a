import { OggVorbisDecoder } from '@wasm-audio-decoders/ogg-vorbis';
import { viewOf } from './bytes.ts';
import { packageVersion } from './decoderVersion.ts';
import { inWavOrder, type OggPage, type OggStream, trimmed } from './ogg.ts';
import { damaged, type Planes, requireShape, type Sound } from './sound.ts';

/** Pages with sound that the decoder is given at first: it must find some in them. */
const AT_FIRST = 4;

/** Segments of pages behind those that are decoded together at most, unless one page has more: packets are no more than these. */
const TOGETHER = 512;

/**
 * Pages that are decoded together: those of the headers with some behind them, since the decoder, given headers alone, takes
 * whatever lies in its memory for the number of channels; then a few at a time.
 */
function portions(pages: readonly OggPage[]): readonly (readonly OggPage[])[] {
  let sounding = 0;
  const enough = pages.findIndex(({ granule }) => granule > 0 && ++sounding === AT_FIRST);
  if (enough === -1) return [pages];
  const all = [pages.slice(0, enough + 1)];
  let segments = Number.POSITIVE_INFINITY;
  for (const page of pages.slice(enough + 1)) {
    segments += page.lacing.length;
    if (segments <= TOGETHER) all.at(-1)?.push(page);
    else {
      all.push([page]);
      segments = page.lacing.length;
    }
  }
  return all;
}

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
      const [first = [], ...others] = portions(pages);
      const bytesOf = (some: readonly OggPage[]) =>
        Buffer.concat(some.map(({ start, end }) => file.subarray(start, end)));
      try {
        if (others.length === 0) {
          yield checked((await decoder.decodeFile(bytesOf(first))).channelData);
          return;
        }
        for (const some of [first, ...others]) yield checked((await decoder.decode(bytesOf(some))).channelData);
        yield checked((await decoder.flush()).channelData);
      } finally {
        decoder.free();
      }
    },
  };
}
