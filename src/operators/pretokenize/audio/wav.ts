import { fourLetters, viewOf } from './bytes.ts';
import type { PcmEncoding, PcmLayout } from './pcm.ts';
import { damaged, requireShape } from './sound.ts';

/** Sizes that programs write which do not know them yet: until the end. */
const UNKNOWN = [0xffff_ffff, 0x7fff_f000];

const ENCODINGS: Readonly<Record<number, PcmEncoding>> = { 1: 'signed', 3: 'float', 6: 'alaw', 7: 'mulaw' };
const EXTENSIBLE = 0xfffe;

interface Format {
  readonly encoding: PcmEncoding;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bytes: number;
}

/** A `fmt ` chunk; undefined where samples are compressed. */
function formatOf(view: DataView, at: number, size: number, little: boolean): Format | undefined {
  if (size < 16) throw damaged(`the format of the WAV file takes ${size} bytes`);
  const tag = view.getUint16(at, little);
  const channels = view.getUint16(at + 2, little);
  const sampleRate = view.getUint32(at + 4, little);
  const frameBytes = view.getUint16(at + 12, little);
  const bits = view.getUint16(at + 14, little);
  const kind = ENCODINGS[tag === EXTENSIBLE && size >= 26 ? view.getUint16(at + 24, little) : tag];
  if (kind === undefined) return undefined;
  requireShape('WAV', sampleRate, channels);
  const bytes = Math.ceil(bits / 8);
  const encoding = kind === 'signed' && bytes === 1 ? 'unsigned' : kind;
  const widths = { signed: [2, 3, 4], unsigned: [1], float: [4, 8], mulaw: [1], alaw: [1] }[encoding];
  if (!widths.includes(bytes) || frameBytes !== channels * bytes) {
    throw damaged(`the WAV file has ${bits} bits a sample, and ${frameBytes} bytes for ${channels} channels`);
  }
  return { encoding, channels, sampleRate, bytes };
}

/**
 * Where the samples of a WAV file lie: RIFF, RIFX, and RF64 or BW64 (EBU Tech 3306), plain and extensible. Undefined
 * where they are compressed.
 * @throws Failure `DAMAGED_FILE`
 */
export function wavLayout(file: Uint8Array): PcmLayout | undefined {
  const view = viewOf(file);
  const little = fourLetters(file, 0) !== 'RIFX';
  let format: Format | undefined;
  let long: number | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = fourLetters(file, at);
    const size = view.getUint32(at + 4, little);
    const start = at + 8;
    const left = file.length - start;
    if (name === 'data') {
      if (format === undefined) throw damaged('the WAV file has samples, and no format before them');
      const promised = size === 0xffff_ffff && long !== undefined ? long : UNKNOWN.includes(size) ? left : size;
      return laid(format, { start, promised, left, little });
    }
    if (size > left) break;
    if (name === 'fmt ') {
      format = formatOf(view, start, size, little);
      if (format === undefined) return undefined;
    }
    if (name === 'ds64' && size >= 16) long = Number(view.getBigUint64(start + 8, little));
    at = start + size + (size & 1);
  }
  throw damaged('the WAV file ends before its samples');
}

interface Data {
  readonly start: number;
  readonly promised: number;
  readonly left: number;
  readonly little: boolean;
}

function laid(format: Format, { start, promised, left, little }: Data): PcmLayout {
  const there = Math.min(promised, left);
  const frameBytes = format.channels * format.bytes;
  const samples = Math.floor(there / frameBytes);
  const truncated =
    promised > left
      ? `${promised} bytes of samples are promised, and ${left} are there`
      : there % frameBytes !== 0
        ? 'the last sample is not whole'
        : undefined;
  return { container: 'wav', ...format, bigEndian: !little, start, samples, truncated };
}
