import { standsAt, viewOf } from './bytes.ts';
import { damaged } from './sound.ts';

/** A page of an Ogg file (RFC 3533). */
export interface OggPage {
  readonly start: number;
  readonly end: number;
  readonly serial: number;
  /** What the codec counts up to the end of the last packet that ends in the page; -1 where none does. */
  readonly granule: number;
  readonly first: boolean;
  readonly last: boolean;
  readonly continued: boolean;
  readonly sequence: number;
  /** Bytes of segments in the body. */
  readonly lacing: Uint8Array;
  readonly body: Uint8Array;
}

/** Pages of one codec from its first to its last. */
export interface OggStream {
  readonly pages: readonly OggPage[];
  readonly truncated?: string | undefined;
}

const HEADER = 27;

/** What each byte adds to the checksum with so many bytes behind it. */
const tableOf = (behind: number): Int32Array =>
  Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 24;
    for (let bit = 8 * (behind + 1); bit > 0; bit--) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
    return crc;
  });
const LAST = tableOf(0);
const THIRD = tableOf(1);
const SECOND = tableOf(2);
const FIRST = tableOf(3);

/** The checksum of what came before and of bytes behind it, four at a time. */
function fold(before: number, bytes: Uint8Array): number {
  let crc = before;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    const a = (crc >>> 24) ^ (bytes[at] ?? 0);
    const b = ((crc >>> 16) & 0xff) ^ (bytes[at + 1] ?? 0);
    const c = ((crc >>> 8) & 0xff) ^ (bytes[at + 2] ?? 0);
    const d = (crc & 0xff) ^ (bytes[at + 3] ?? 0);
    crc = (FIRST[a] ?? 0) ^ (SECOND[b] ?? 0) ^ (THIRD[c] ?? 0) ^ (LAST[d] ?? 0);
  }
  for (; at < bytes.length; at++) crc = (crc << 8) ^ (LAST[(crc >>> 24) ^ (bytes[at] ?? 0)] ?? 0);
  return crc;
}

const NO_CHECKSUM = new Uint8Array(4);

/** The checksum of a page, its own place taken as zeros. */
function checksum(page: Uint8Array): number {
  return fold(fold(fold(0, page.subarray(0, 22)), NO_CHECKSUM), page.subarray(26)) >>> 0;
}

/** The page at a place; undefined where it is not whole. @throws Failure `DAMAGED_FILE` */
function pageAt(file: Uint8Array, start: number): OggPage | undefined {
  if (start + HEADER > file.length) return undefined;
  if (!standsAt(file, start, 'OggS')) throw damaged(`in the Ogg file no page is at byte ${start}, where one should be`);
  const view = viewOf(file);
  const segments = view.getUint8(start + 26);
  const bodyAt = start + HEADER + segments;
  if (bodyAt > file.length) return undefined;
  const lacing = file.subarray(start + HEADER, bodyAt);
  const end = lacing.reduce((sum, bytes) => sum + bytes, bodyAt);
  if (end > file.length) return undefined;
  if (checksum(file.subarray(start, end)) !== view.getUint32(start + 22, true)) {
    throw damaged(`the page at byte ${start} of the Ogg file is damaged`);
  }
  const flags = view.getUint8(start + 5);
  return {
    start,
    end,
    serial: view.getUint32(start + 14, true),
    granule: Number(view.getBigInt64(start + 6, true)),
    continued: (flags & 1) !== 0,
    first: (flags & 2) !== 0,
    last: (flags & 4) !== 0,
    sequence: view.getUint32(start + 18, true),
    lacing,
    body: file.subarray(bodyAt, end),
  };
}

/** Beginnings of the first packet of a codec of sound. */
const CODECS = { opus: 'OpusHead', vorbis: '\u0001vorbis', flac: '\u007fFLAC' } as const;
export type OggCodec = keyof typeof CODECS;

const codecOf = ({ body }: OggPage): OggCodec | undefined =>
  (Object.keys(CODECS) as OggCodec[]).find((codec) => standsAt(body, 0, CODECS[codec]));

/** What an Ogg file holds of sound. */
export interface OggSound extends OggStream {
  readonly codec: OggCodec;
}

/**
 * The first stream of sound in an Ogg file, without the pages of others. Undefined where there is none that is known, or
 * several follow one another.
 * @throws Failure `DAMAGED_FILE`
 */
export function oggSound(file: Uint8Array): OggSound | undefined {
  const pages: OggPage[] = [];
  let codec: OggCodec | undefined;
  let serial = -1;
  let ended = false;
  let truncated: string | undefined;
  for (let at = 0; at < file.length; ) {
    const page = pageAt(file, at);
    if (page === undefined) {
      truncated = `the page at byte ${at} is not whole`;
      break;
    }
    at = page.end;
    if (page.first && codec === undefined) {
      codec = codecOf(page);
      serial = page.serial;
    } else if (page.first && ended && codecOf(page) !== undefined) return undefined;
    if (codec === undefined || page.serial !== serial) continue;
    const before = pages.at(-1);
    if (before !== undefined && page.sequence !== before.sequence + 1) {
      throw damaged(`in the Ogg file pages are missing before byte ${page.start}`);
    }
    pages.push(page);
    ended ||= page.last;
  }
  if (codec === undefined) return undefined;
  return { codec, pages, truncated: truncated ?? (ended ? undefined : 'its last page is missing') };
}

/** The packets of a stream, and the number of those that end up to each page. */
export interface OggPackets {
  readonly packets: readonly Uint8Array[];
  readonly counts: readonly number[];
}

export function packetsOf({ pages }: OggStream): OggPackets {
  const packets: Uint8Array[] = [];
  const counts: number[] = [];
  let parts: Uint8Array[] = [];
  for (const { lacing, body, continued } of pages) {
    // what begins in a page that is not there is lost
    if (!continued) parts = [];
    let start = 0;
    let end = 0;
    for (const bytes of lacing) {
      end += bytes;
      if (bytes === 255) continue;
      const part = body.subarray(start, end);
      packets.push(parts.length === 0 ? part : Buffer.concat([...parts, part]));
      parts = [];
      start = end;
    }
    if (start < end) parts.push(body.subarray(start, end));
    counts.push(packets.length);
  }
  return { packets, counts };
}

/**
 * The order of channels in WAV files for that of Vorbis and Opus, by their number: left, right, centre, low frequencies,
 * back left, back right, back centre, side left, side right, as far as there are.
 */
const ORDERS: Readonly<Record<number, readonly number[]>> = {
  3: [0, 2, 1],
  5: [0, 2, 1, 3, 4],
  6: [0, 2, 1, 5, 3, 4],
  7: [0, 2, 1, 6, 5, 3, 4],
  8: [0, 2, 1, 7, 5, 6, 3, 4],
};

export function inWavOrder(planes: readonly Float32Array[]): readonly Float32Array[] {
  const order = ORDERS[planes.length];
  return order === undefined ? planes : order.flatMap((channel) => planes[channel] ?? []);
}

/** Takes samples out of blocks from one number to another. */
export function trimmed(from: number, to: number): (planes: readonly Float32Array[]) => readonly Float32Array[] {
  let at = 0;
  return (planes) => {
    const count = planes[0]?.length ?? 0;
    const start = Math.max(0, Math.min(count, from - at));
    const end = Math.max(start, Math.min(count, to - at));
    at += count;
    return start === 0 && end === count ? planes : planes.map((plane) => plane.subarray(start, end));
  };
}
