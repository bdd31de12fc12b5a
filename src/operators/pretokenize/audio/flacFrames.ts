import { viewOf } from './bytes.ts';
import { damaged, requireShape } from './sound.ts';

/** The STREAMINFO block of a FLAC stream (RFC 9639, section 8.2). */
export interface StreamInfo {
  readonly sampleRate: number;
  readonly channels: number;
  readonly bits: number;
  /** Samples of each channel; 0 where the encoder did not know. */
  readonly samples: number;
}

export const STREAM_INFO_BYTES = 34;

/** @throws Failure `DAMAGED_FILE` */
export function streamInfo(block: Uint8Array): StreamInfo {
  if (block.length < STREAM_INFO_BYTES) throw damaged('the FLAC file ends in its header');
  const packed = viewOf(block).getBigUint64(10);
  const sampleRate = Number(packed >> 44n);
  const channels = Number((packed >> 41n) & 7n) + 1;
  requireShape('FLAC', sampleRate, channels);
  return { sampleRate, channels, bits: Number((packed >> 36n) & 31n) + 1, samples: Number(packed & 0xf_ffff_ffffn) };
}

/** What the header of a frame tells (RFC 9639, section 9.1). */
export interface FlacFrameHeader {
  /** Number of the frame, or of its first sample where blocks vary in size. */
  readonly number: number;
  readonly samples: number;
  readonly channels: number;
  readonly varies: boolean;
}

const CRC8 = Uint8Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x80) === 0 ? crc << 1 : (crc << 1) ^ 0x107;
  return crc;
});

/** The header of a frame at a place; undefined where there is none. */
export function flacFrameAt(file: Uint8Array, at: number): FlacFrameHeader | undefined {
  const [a = 0, b = 0, c = 0, d = 0, lead = 0] = file.subarray(at, at + 5);
  if (a !== 0xff || (b & 0xfe) !== 0xf8 || (d & 1) !== 0) return undefined;
  const size = c >> 4;
  const rate = c & 15;
  const kind = d >> 4;
  if (size === 0 || rate === 15 || kind > 10) return undefined;
  let place = at + 5;
  const more = lead < 0x80 ? 0 : Math.clz32(~(lead << 24)) - 1;
  if (lead === 0xff || (lead >= 0x80 && more === 0)) return undefined;
  let number = more === 0 ? lead : lead & (0x3f >> more);
  for (let n = 0; n < more; n++) {
    const byte = file[place++] ?? 0;
    if ((byte & 0xc0) !== 0x80) return undefined;
    number = number * 64 + (byte & 0x3f);
  }
  const blockAt = place;
  place += size === 6 ? 1 : size === 7 ? 2 : 0;
  const [high = 0, low = 0] = file.subarray(blockAt, blockAt + 2);
  place += rate === 12 ? 1 : rate === 13 || rate === 14 ? 2 : 0;
  if (place >= file.length) return undefined;
  let crc = 0;
  for (let n = at; n < place; n++) crc = CRC8[crc ^ (file[n] ?? 0)] ?? 0;
  if (crc !== file[place]) return undefined;
  const samples =
    size === 1
      ? 192
      : size < 6
        ? 576 << (size - 2)
        : size === 6
          ? high + 1
          : size === 7
            ? high * 256 + low + 1
            : 256 << (size - 8);
  return { number, samples, channels: kind < 8 ? kind + 1 : 2, varies: (b & 1) === 1 };
}

const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x18005;
  return crc;
});

/** Whether the checksum at the end of a frame is that of its bytes. */
export function isWholeFrame(frame: Uint8Array): boolean {
  let crc = 0;
  for (const byte of frame) crc = ((crc << 8) & 0xffff) ^ (CRC16[(crc >> 8) ^ byte] ?? 0);
  return frame.length > 2 && crc === 0;
}
