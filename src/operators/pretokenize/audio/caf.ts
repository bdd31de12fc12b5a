import { fourLetters, viewOf } from './bytes.ts';
import type { PcmEncoding, PcmLayout } from './pcm.ts';
import { damaged, requireShape } from './sound.ts';

const IS_FLOAT = 1;
const IS_LITTLE_ENDIAN = 2;

type Description = Pick<PcmLayout, 'encoding' | 'bytes' | 'bigEndian' | 'sampleRate' | 'channels'>;

/** A `desc` chunk; undefined where samples are compressed. */
function descriptionOf(file: Uint8Array, at: number): Description | undefined {
  const view = viewOf(file);
  const sampleRate = view.getFloat64(at);
  const kind = fourLetters(file, at + 8);
  const flags = view.getUint32(at + 12);
  const packetBytes = view.getUint32(at + 16);
  const channels = view.getUint32(at + 24);
  const bits = view.getUint32(at + 28);
  if (!['lpcm', 'ulaw', 'alaw'].includes(kind)) return undefined;
  requireShape('CAF', sampleRate, channels);
  // a rate that is no whole number would drift
  if (!Number.isInteger(sampleRate)) return undefined;
  const bytes = kind === 'lpcm' ? Math.ceil(bits / 8) : 1;
  const float = (flags & IS_FLOAT) !== 0;
  const encoding: PcmEncoding = kind === 'ulaw' ? 'mulaw' : kind === 'alaw' ? 'alaw' : float ? 'float' : 'signed';
  if (!(encoding === 'float' ? [4, 8] : [1, 2, 3, 4]).includes(bytes) || packetBytes !== channels * bytes) {
    throw damaged(`the CAF file has ${bits} bits a sample, and ${packetBytes} bytes for ${channels} channels`);
  }
  return { encoding, bytes, bigEndian: (flags & IS_LITTLE_ENDIAN) === 0, sampleRate, channels };
}

/**
 * Where the samples of a Core Audio file lie. Undefined where they are compressed.
 * @throws Failure `DAMAGED_FILE`
 */
export function cafLayout(file: Uint8Array): PcmLayout | undefined {
  const view = viewOf(file);
  let description: Description | undefined;
  for (let at = 8; at + 12 <= file.length; ) {
    const name = fourLetters(file, at);
    const size = view.getBigInt64(at + 4);
    const start = at + 12;
    if (name === 'desc' && size >= 32n && start + 32 <= file.length) {
      description = descriptionOf(file, start);
      if (description === undefined) return undefined;
    } else if (name === 'data') {
      if (description === undefined) throw damaged('the CAF file has samples, and no description before them');
      const frameBytes = description.channels * description.bytes;
      // a counter of edits comes first; -1 is until the end
      const left = Math.max(0, file.length - start - 4);
      const promised = size === -1n ? left : Number(size) - 4;
      const there = Math.max(0, Math.min(promised, left));
      const truncated =
        promised > left
          ? `${promised} bytes of samples are promised, and ${left} are there`
          : there % frameBytes !== 0
            ? 'the last sample is not whole'
            : undefined;
      const samples = Math.floor(there / frameBytes);
      return { container: 'caf', ...description, start: start + 4, samples, truncated };
    }
    if (size < 0n) break;
    at = start + Number(size);
  }
  throw damaged('the CAF file ends before its samples');
}
