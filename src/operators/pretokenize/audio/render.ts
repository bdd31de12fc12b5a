import { Failure } from '../../../sources/failure.ts';
import type { CutContext } from '../modality.ts';
import type { AudioSettings } from './options.ts';
import { BLOCK, type ResampledBlock, Resampler } from './resampler.ts';
import { asDamage, damaged, type Planes, type Sound } from './sound.ts';

/** Sound as 16-bit samples, little-endian, channels interleaved. */
export interface Rendered {
  readonly bytes: Uint8Array;
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples of each channel, without what was filled up. */
  readonly samples: number;
  /** Samples that did not fit into 16 bits, and became the largest ones that do. */
  readonly clipped: number;
}

/** Bytes that a segment takes in the columns of a table. */
const ROW_BYTES = 64;

type Wanted = Omit<AudioSettings, 'truncated'>;

/**
 * Decodes, mixes, resamples and rounds. Its memory is taken once, before anything is decoded.
 * @throws Failure `AUDIO_TOO_LONG`, `DAMAGED_FILE`, `DECODED_TOO_LARGE`, `EMPTY_DOCUMENT`
 */
export async function render(sound: Sound, wanted: Wanted, { budget }: Pick<CutContext, 'budget'>): Promise<Rendered> {
  const sampleRate = wanted.sampleRate === 'keep' ? sound.sampleRate : wanted.sampleRate;
  const channels = wanted.channels === 'mono' ? 1 : sound.channels;
  if (sound.samples === 0) throw new Failure('EMPTY_DOCUMENT', `the ${sound.format} file has no sound`);
  requireLength(sound, wanted.maxSeconds);
  const samples = Math.ceil((sound.samples * sampleRate) / sound.sampleRate);
  const { frameSamples, pad } = wanted;
  const room = channels * (pad ? Math.ceil(samples / frameSamples) * frameSamples : samples);
  budget.take(2 * room, `the sound, ${Math.ceil(sound.samples / sound.sampleRate)} seconds,`);
  const stretch = wanted.unit === 'frame' ? 0 : wanted.segmentSeconds * sampleRate;
  const segments = Math.ceil(samples / Math.max(frameSamples, stretch));
  budget.take(ROW_BYTES * segments, `a table of ${segments} segments`);
  const output = new Int16Array(room);
  const resampler = new Resampler({ from: sound.sampleRate, to: sampleRate, channels });
  const scale = 32768 / sound.peak;
  let given = 0;
  let clipped = 0;
  const take = (block: ResampledBlock): void => {
    for (let channel = 0; channel < channels; channel++) {
      const { samples: shorts, beyond } = block.quantised(channel, scale);
      clipped += beyond;
      if (channels === 1) output.set(shorts, given);
      else interleave(shorts, output, given * channels + channel, channels);
    }
    given += block.samples;
  };
  let decoded = 0;
  for await (const planes of blocksOf(sound)) {
    const count = planes[0]?.length ?? 0;
    decoded += count;
    if (decoded > sound.samples) {
      throw damaged(`the ${sound.format} file has more samples than the ${sound.samples} it says`);
    }
    for (let at = 0; at < count; at += BLOCK) {
      const some = Math.min(BLOCK, count - at);
      if (channels === 1) mix(planes, at, some, resampler.room(0));
      else for (const [n, plane] of planes.entries()) resampler.room(n).set(plane.subarray(at, at + some));
      resampler.push(some, take);
    }
  }
  if (decoded === 0 || (decoded < sound.samples && sound.mayBeFewer !== true)) {
    throw damaged(`of the ${sound.samples} samples of the ${sound.format} file ${decoded} can be decoded`);
  }
  resampler.finish(take);
  const whole = pad ? Math.ceil(given / frameSamples) * frameSamples : given;
  return { bytes: littleEndian(output.subarray(0, whole * channels)), sampleRate, channels, samples: given, clipped };
}

/** What a decoder gives; what it throws is the file's fault. */
async function* blocksOf(sound: Sound): AsyncGenerator<Planes> {
  try {
    yield* sound.blocks();
  } catch (error) {
    throw asDamage(error, sound.format);
  }
}

function requireLength({ samples, sampleRate, format }: Sound, maxSeconds: number): void {
  if (samples <= maxSeconds * sampleRate) return;
  throw new Failure(
    'AUDIO_TOO_LONG',
    `the ${format} file lasts ${Math.ceil(samples / sampleRate)} seconds, and ${maxSeconds} are allowed`,
    'Raise it with pretokenize({ audio: { maxSeconds } }), or leave such files out.',
  );
}

/** The mean of all channels. */
function mix(planes: Planes, at: number, count: number, into: Float32Array): void {
  const [left, right] = planes;
  if (left === undefined) return;
  if (right === undefined) {
    into.set(left.subarray(at, at + count));
    return;
  }
  if (planes.length === 2) {
    for (let n = 0; n < count; n++) into[n] = ((left[at + n] ?? 0) + (right[at + n] ?? 0)) / 2;
    return;
  }
  for (let n = 0; n < count; n++) {
    let sum = 0;
    for (const plane of planes) sum += plane[at + n] ?? 0;
    into[n] = sum / planes.length;
  }
}

function interleave(samples: Int16Array, into: Int16Array, first: number, channels: number): void {
  for (let n = 0, at = first; n < samples.length; n++, at += channels) into[at] = samples[n] ?? 0;
}

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function littleEndian(samples: Int16Array<ArrayBuffer>): Uint8Array {
  const bytes = Buffer.from(samples.buffer, 0, samples.byteLength);
  return LITTLE_ENDIAN ? bytes : bytes.swap16();
}
