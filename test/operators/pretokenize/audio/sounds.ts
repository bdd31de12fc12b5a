import { readFileSync } from 'node:fs';
import { settledLimits } from '../../../../src/decoders/limits.ts';
import { cutAudio } from '../../../../src/operators/pretokenize/audio/cut.ts';
import { type AudioOptions, settledAudio } from '../../../../src/operators/pretokenize/audio/options.ts';
import { Budget } from '../../../../src/operators/pretokenize/budget.ts';
import { isRefused, type View } from '../../../../src/operators/pretokenize/view.ts';

/** A file that tools/fixtures/audio.sh has made. */
export const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../../fixtures/media/audio/${name}`, import.meta.url));

/** 16-bit samples, little-endian, as numbers. */
export function shorts(bytes: Uint8Array): Int16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int16Array.from({ length: bytes.length / 2 }, (_, n) => view.getInt16(2 * n, true));
}

export interface CutOptions {
  readonly mediaType?: string;
  readonly decodedBytes?: number;
  readonly maxSegmentBytes?: number;
  readonly ffmpeg?: string;
}

/** The view that a cutter makes of sound. */
export async function cutSound(bytes: Uint8Array, options: AudioOptions = {}, how: CutOptions = {}): Promise<View> {
  const { mediaType = 'audio/x', decodedBytes, maxSegmentBytes = 16 << 20, ffmpeg } = how;
  const limits = settledLimits({ decodedBytes });
  const input = { bytes, name: 'sound', modality: 'audio', mediaType, confidence: 1 } as const;
  const context = { limits, budget: new Budget(limits), ffmpeg, maxSegmentBytes, member: async () => [] };
  const [cut] = await cutAudio(input, settledAudio(options), context);
  if (cut === undefined || isRefused(cut)) throw new Error('there is no view');
  return cut;
}

export const AS_IT_IS: AudioOptions = { sampleRate: 'keep', channels: 'keep' };

export async function samplesOf(bytes: Uint8Array, options?: AudioOptions, how?: CutOptions): Promise<Int16Array> {
  return shorts((await cutSound(bytes, options, how)).bytes ?? new Uint8Array(0));
}

/** Each channel's samples, from -1 to 1, as a WAV file. */
export function wavOf(channels: readonly ArrayLike<number>[], sampleRate: number, kind: 's16' | 'f32' = 's16'): Buffer {
  const width = kind === 's16' ? 2 : 4;
  const frames = channels[0]?.length ?? 0;
  const bytes = Buffer.alloc(44 + frames * channels.length * width);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(kind === 's16' ? 1 : 3, 20);
  bytes.writeUInt16LE(channels.length, 22);
  bytes.writeUInt32LE(sampleRate, 24);
  bytes.writeUInt32LE(sampleRate * channels.length * width, 28);
  bytes.writeUInt16LE(channels.length * width, 32);
  bytes.writeUInt16LE(8 * width, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(bytes.length - 44, 40);
  for (let n = 0, at = 44; n < frames; n++) {
    for (const channel of channels) {
      const value = channel[n] ?? 0;
      if (kind === 's16') bytes.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(value * 32768))), at);
      else bytes.writeFloatLE(value, at);
      at += width;
    }
  }
  return bytes;
}

/** A sine of amplitude 0.5. */
export const sine = (hertz: number, sampleRate: number, samples: number): Float64Array =>
  Float64Array.from({ length: samples }, (_, n) => 0.5 * Math.sin((2 * Math.PI * hertz * n) / sampleRate));

/** Signal to noise of samples against what they should be, in decibels. */
export function signalToNoise(samples: ArrayLike<number>, expected: ArrayLike<number>): number {
  let signal = 0;
  let noise = 0;
  for (let n = 0; n < samples.length; n++) {
    signal += (expected[n] ?? 0) ** 2;
    noise += ((samples[n] ?? 0) - (expected[n] ?? 0)) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

/** Numbers that look random and are the same every time. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
