import { MPEGDecoder } from 'mpg123-decoder';
import { packageVersion } from './decoderVersion.ts';
import { mpegFrames } from './mpegFrames.ts';
import { damaged, type Sound } from './sound.ts';

/** Bytes that are decoded at a time. */
const STEP = 1 << 14;

/**
 * MPEG audio, layers II and III. What an encoder has added at both ends is left out where a LAME header tells how much.
 * Undefined where there are no frames of it.
 * @throws Failure `DAMAGED_FILE`
 */
export function mp3Sound(file: Uint8Array): Sound | undefined {
  const frames = mpegFrames(file);
  if (frames === undefined) return undefined;
  const { layer, sampleRate, channels, samples, runs, truncated } = frames;
  return {
    format: layer === 2 ? 'mp2' : 'mp3',
    decoder: packageVersion('mpg123-decoder'),
    sampleRate,
    channels,
    samples,
    mayBeFewer: true,
    truncated,
    peak: 1,
    async *blocks() {
      const decoder = new MPEGDecoder();
      await decoder.ready;
      try {
        for (const [start, end] of runs) {
          for (let at = start; at < end; at += STEP) {
            const { channelData, errors } = decoder.decode(file.subarray(at, Math.min(end, at + STEP)));
            if (errors[0] !== undefined) throw damaged(`the MP3 file cannot be decoded: ${errors[0].message}`);
            // it gives two channels of what has one
            if ((channelData[0]?.length ?? 0) !== 0) yield channelData.slice(0, channels);
          }
        }
      } finally {
        decoder.free();
      }
    },
  };
}
