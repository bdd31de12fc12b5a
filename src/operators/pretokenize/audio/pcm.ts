import { viewOf } from './bytes.ts';
import { ownDecoder } from './decoderVersion.ts';
import { damaged, type Planes, type Sound } from './sound.ts';

/** How a sample is written. Integers of less than their bytes' bits lie in the upper ones. */
export type PcmEncoding = 'signed' | 'unsigned' | 'float' | 'mulaw' | 'alaw';

/** Where uncompressed samples lie, and how they are written. */
export interface PcmLayout {
  readonly container: string;
  readonly encoding: PcmEncoding;
  /** Bytes of a sample: 1 to 4; 4 or 8 of floats. */
  readonly bytes: number;
  readonly bigEndian: boolean;
  readonly sampleRate: number;
  readonly channels: number;
  readonly start: number;
  /** Samples of each channel. */
  readonly samples: number;
  readonly truncated?: string | undefined;
}

const BLOCK = 1 << 14;

/** Values of the 256 codes of ITU-T G.711, of 32768. */
function codes(expanded: (code: number) => number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, code) => expanded(code) / 32768);
}

const mulaw = codes((code) => {
  const bits = ~code & 0xff;
  const size = ((((bits & 15) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return bits & 0x80 ? -size : size;
});

const alaw = codes((code) => {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = ((bits & 15) << 4) + 8;
  const size = exponent === 0 ? mantissa : (mantissa + 256) << (exponent - 1);
  return bits & 0x80 ? size : -size;
});

/** Reads the sample at a byte, of 1. */
function reader(bytes: Uint8Array, { encoding, bytes: width, bigEndian }: PcmLayout): (at: number) => number {
  const view = viewOf(bytes);
  const little = !bigEndian;
  if (encoding === 'mulaw' || encoding === 'alaw') {
    const table = encoding === 'mulaw' ? mulaw : alaw;
    return (at) => table[view.getUint8(at)] ?? 0;
  }
  if (encoding === 'float')
    return width === 4 ? (at) => view.getFloat32(at, little) : (at) => view.getFloat64(at, little);
  if (width === 1)
    return encoding === 'signed' ? (at) => view.getInt8(at) / 128 : (at) => (view.getUint8(at) - 128) / 128;
  if (width === 2) return (at) => view.getInt16(at, little) / 32768;
  if (width === 4) return (at) => view.getInt32(at, little) / 0x8000_0000;
  return little
    ? (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65536) / 0x80_0000
    : (at) => (view.getUint16(at + 1) + view.getInt8(at) * 65536) / 0x80_0000;
}

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The commonest kind, without a call for each sample. */
function readShorts(
  bytes: Uint8Array,
  { channels, start }: PcmLayout,
  from: number,
  planes: Planes,
  count: number,
): void {
  const first = start + 2 * channels * from;
  const raw = bytes.subarray(first, first + 2 * channels * count);
  const shorts =
    raw.byteOffset % 2 === 0
      ? new Int16Array(raw.buffer, raw.byteOffset, channels * count)
      : new Int16Array(raw.slice().buffer, 0, channels * count);
  for (const [channel, plane] of planes.entries()) {
    for (let n = 0, at = channel; n < count; n++, at += channels) plane[n] = (shorts[at] ?? 0) / 32768;
  }
}

const NAMES = { signed: 's', unsigned: 'u', float: 'f' } as const;

/** The name that ffmpeg gives an encoding. */
function nameOf({ encoding, bytes, bigEndian }: PcmLayout): string {
  if (encoding === 'mulaw' || encoding === 'alaw') return `pcm_${encoding}`;
  return `pcm_${NAMES[encoding]}${8 * bytes}${bytes === 1 ? '' : bigEndian ? 'be' : 'le'}`;
}

/** Uncompressed samples as sound. */
export function pcmSound(file: Uint8Array, layout: PcmLayout): Sound {
  const { channels, bytes, start, samples, sampleRate, truncated, encoding, bigEndian } = layout;
  const frameBytes = channels * bytes;
  return {
    format: `${layout.container} ${nameOf(layout)}`,
    decoder: ownDecoder,
    sampleRate,
    channels,
    samples,
    truncated,
    peak: 1,
    layout: { start, frameBytes },
    *blocks() {
      const read = reader(file, layout);
      const shorts = LITTLE_ENDIAN && encoding === 'signed' && bytes === 2 && !bigEndian;
      const whole = Array.from({ length: channels }, () => new Float32Array(Math.min(BLOCK, samples)));
      for (let from = 0; from < samples; from += BLOCK) {
        const count = Math.min(BLOCK, samples - from);
        const planes = whole.map((plane) => plane.subarray(0, count));
        if (shorts) readShorts(file, layout, from, planes, count);
        else {
          for (const [channel, plane] of planes.entries()) {
            let at = start + from * frameBytes + channel * bytes;
            for (let n = 0; n < count; n++, at += frameBytes) plane[n] = read(at);
            if (encoding === 'float' && !plane.every(Number.isFinite)) {
              throw damaged(`among the samples behind the ${from}th are some that are no numbers`);
            }
          }
        }
        yield planes;
      }
    },
  };
}
