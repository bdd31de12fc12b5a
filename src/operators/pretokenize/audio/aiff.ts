import { fourLetters, viewOf } from './bytes.ts';
import type { PcmEncoding, PcmLayout } from './pcm.ts';
import { damaged, requireShape } from './sound.ts';

interface Kind {
  readonly encoding: PcmEncoding;
  readonly bigEndian: boolean;
  /** Where the kind alone decides. */
  readonly bytes?: number;
}

/** Compression types of AIFF-C that compress nothing, and those of G.711. */
const KINDS: Readonly<Record<string, Kind>> = {
  NONE: { encoding: 'signed', bigEndian: true },
  twos: { encoding: 'signed', bigEndian: true },
  sowt: { encoding: 'signed', bigEndian: false },
  'raw ': { encoding: 'unsigned', bigEndian: true },
  in24: { encoding: 'signed', bigEndian: true, bytes: 3 },
  in32: { encoding: 'signed', bigEndian: true, bytes: 4 },
  fl32: { encoding: 'float', bigEndian: true, bytes: 4 },
  FL32: { encoding: 'float', bigEndian: true, bytes: 4 },
  fl64: { encoding: 'float', bigEndian: true, bytes: 8 },
  FL64: { encoding: 'float', bigEndian: true, bytes: 8 },
  ulaw: { encoding: 'mulaw', bigEndian: true, bytes: 1 },
  ULAW: { encoding: 'mulaw', bigEndian: true, bytes: 1 },
  alaw: { encoding: 'alaw', bigEndian: true, bytes: 1 },
  ALAW: { encoding: 'alaw', bigEndian: true, bytes: 1 },
};

/** A number in the 80-bit format of IEEE 754. */
function extended(view: DataView, at: number): number {
  const exponent = view.getUint16(at) & 0x7fff;
  return Number(view.getBigUint64(at + 2)) * 2 ** (exponent - 16383 - 63);
}

interface Common extends Kind {
  readonly channels: number;
  readonly sampleRate: number;
  readonly samples: number;
  readonly bytes: number;
}

/** A `COMM` chunk; undefined where samples are compressed. */
function commonOf(file: Uint8Array, at: number, size: number): Common | undefined {
  const view = viewOf(file);
  if (size < 18) throw damaged(`the format of the AIFF file takes ${size} bytes`);
  const kind = KINDS[size >= 22 && fourLetters(file, 8) === 'AIFC' ? fourLetters(file, at + 18) : 'NONE'];
  if (kind === undefined) return undefined;
  const channels = view.getUint16(at);
  const sampleRate = extended(view, at + 8);
  requireShape('AIFF', sampleRate, channels);
  // a rate that is no whole number would drift
  if (!Number.isInteger(sampleRate)) return undefined;
  const bits = view.getUint16(at + 6);
  const bytes = kind.bytes ?? Math.ceil(bits / 8);
  if (kind.bytes === undefined && !(bytes >= 1 && bytes <= (kind.encoding === 'unsigned' ? 1 : 4))) {
    throw damaged(`the AIFF file has ${bits} bits a sample`);
  }
  return { ...kind, channels, sampleRate, bytes, samples: view.getUint32(at + 2) };
}

/**
 * Where the samples of an AIFF or AIFF-C file lie. Undefined where they are compressed.
 * @throws Failure `DAMAGED_FILE`
 */
export function aiffLayout(file: Uint8Array): PcmLayout | undefined {
  const view = viewOf(file);
  let common: Common | undefined;
  let data: { readonly start: number; readonly size: number } | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = fourLetters(file, at);
    const size = view.getUint32(at + 4);
    const start = at + 8;
    if (name === 'COMM' && start + size <= file.length) {
      common = commonOf(file, start, size);
      if (common === undefined) return undefined;
    } else if (name === 'SSND' && size >= 8 && start + 8 <= file.length) {
      const offset = view.getUint32(start);
      data = { start: start + 8 + offset, size: size - 8 - offset };
    }
    if (common !== undefined && data !== undefined) break;
    at = start + size + (size & 1);
  }
  if (common === undefined || (data === undefined && common.samples !== 0)) {
    throw damaged('the AIFF file ends before its samples');
  }
  const { start, size } = data ?? { start: file.length, size: 0 };
  const frameBytes = common.channels * common.bytes;
  const { samples: promised, ...rest } = common;
  if (promised * frameBytes > Math.max(0, size)) {
    throw damaged(`the AIFF file promises ${promised} samples, and has room for ${Math.max(0, size)} bytes of them`);
  }
  const samples = Math.min(promised, Math.floor(Math.max(0, file.length - start) / frameBytes));
  const truncated = samples < promised ? `${promised} samples are promised, and ${samples} are there` : undefined;
  return { container: 'aiff', ...rest, start, samples, truncated };
}
