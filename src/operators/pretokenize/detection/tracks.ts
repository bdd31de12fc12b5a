import { ascii, viewOf } from './magic.ts';

/** Boxes, elements and packets that are looked at in one file: damaged files may have millions. */
const MOST_STEPS = 10_000;

/** Which kinds of tracks there are. */
class Found {
  video = false;
  audio = false;
  #steps = 0;

  /** Whether another step may be taken. */
  step(): boolean {
    return this.#steps++ < MOST_STEPS;
  }
}

const NESTED: ReadonlySet<string> = new Set(['moov', 'trak', 'mdia']);

/** `hdlr` boxes of tracks (ISO/IEC 14496-12, 8.4.3). */
function isobmff(bytes: Uint8Array, from: number, end: number, found: Found): void {
  const view = viewOf(bytes);
  for (let at = from; at + 8 <= end && found.step(); ) {
    const short = view.getUint32(at);
    const long = short === 1 && at + 16 <= end;
    const size = short === 0 ? end - at : long ? Number(view.getBigUint64(at + 8)) : short;
    const head = long ? 16 : 8;
    if (size < head) return;
    const stop = Math.min(end, at + size);
    const type = ascii(bytes, at + 4, at + 8);
    if (NESTED.has(type)) isobmff(bytes, at + head, stop, found);
    else if (type === 'hdlr' && at + head + 12 <= stop) {
      const handler = ascii(bytes, at + head + 8, at + head + 12);
      if (handler === 'vide') found.video = true;
      if (handler === 'soun') found.audio = true;
    }
    at += size;
  }
}

const SEGMENT = 0x18538067;
const TRACKS = 0x1654ae6b;
const TRACK_ENTRY = 0xae;
const TRACK_TYPE = 0x83;
const CLUSTER = 0x1f43b675;

/** Number of bytes of a variable-length integer of EBML (RFC 8794, section 4), by its first; 9 for none. */
const widthOf = (first: number): number => Math.clz32(first) - 23;

/** Track types of a Matroska or WebM file (RFC 9559, section 5.1.4). */
function matroska(bytes: Uint8Array, from: number, end: number, found: Found): void {
  for (let at = from; at < end && found.step(); ) {
    const idWidth = widthOf(bytes[at] ?? 0);
    const sizeAt = at + idWidth;
    const sizeWidth = widthOf(bytes[sizeAt] ?? 0);
    const body = sizeAt + sizeWidth;
    if (idWidth > 4 || sizeWidth > 8 || body > end) return;
    let id = 0;
    for (let next = at; next < sizeAt; next++) id = id * 256 + (bytes[next] ?? 0);
    let size = (bytes[sizeAt] ?? 0) & (0xff >> sizeWidth);
    let unknown = size === 0xff >> sizeWidth;
    for (let next = sizeAt + 1; next < body; next++) {
      size = size * 256 + (bytes[next] ?? 0);
      unknown &&= bytes[next] === 0xff;
    }
    const stop = unknown ? end : Math.min(end, body + size);
    if (id === SEGMENT || id === TRACKS || id === TRACK_ENTRY) matroska(bytes, body, stop, found);
    else if (id === TRACK_TYPE && size === 1) {
      if (bytes[body] === 1) found.video = true;
      if (bytes[body] === 2) found.audio = true;
    }
    // Tracks stand before what they hold, or behind all of it; a cluster of unknown length ends nowhere that is told.
    if (id === CLUSTER && unknown) return;
    at = stop;
  }
}

const OGG_VIDEO = ['\x80theora', 'BBCD\0', 'OVP80', '\x01video'] as const;
const OGG_AUDIO = ['\x01vorbis', 'OpusHead', 'Speex   ', '\x7fFLAC', 'fLaC', 'PCM     ', 'CELT    '] as const;

/** Codecs by the first packet of each stream, all of which begin before anything else (RFC 3533, section 4). */
function ogg(bytes: Uint8Array, found: Found): void {
  for (let at = 0; at + 27 <= bytes.length && found.step(); ) {
    if (ascii(bytes, at, at + 4) !== 'OggS' || ((bytes[at + 5] ?? 0) & 2) === 0) return;
    const segments = bytes[at + 26] ?? 0;
    const body = at + 27 + segments;
    const packet = ascii(bytes, body, body + 8);
    if (OGG_VIDEO.some((codec) => packet.startsWith(codec))) found.video = true;
    if (OGG_AUDIO.some((codec) => packet.startsWith(codec))) found.audio = true;
    at = body + bytes.subarray(at + 27, body).reduce((sum, length) => sum + length, 0);
  }
}

/** GUIDs of stream types in the first bytes of stream properties (ASF 1.20, section 3.3). */
const ASF_STREAM = Buffer.from('9107dcb7b7a9cf118ee600c00c205365', 'hex');
const ASF_VIDEO = Buffer.from('c0ef19bc4d5bcf11a8fd00805f5c442b', 'hex');
const ASF_AUDIO = Buffer.from('409e69f84d5bcf11a8fd00805f5c442b', 'hex');
const ASF_HEAD = 64 << 10;

function asf(bytes: Uint8Array, found: Found): void {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, ASF_HEAD));
  for (let at = head.indexOf(ASF_STREAM); at !== -1 && found.step(); at = head.indexOf(ASF_STREAM, at + 16)) {
    const type = head.subarray(at + 24, at + 40);
    if (type.equals(ASF_VIDEO)) found.video = true;
    if (type.equals(ASF_AUDIO)) found.audio = true;
  }
}

/** Stream headers of an AVI file, which stand before its frames. */
function avi(bytes: Uint8Array, found: Found): void {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, ASF_HEAD));
  for (let at = head.indexOf('strh'); at !== -1 && found.step(); at = head.indexOf('strh', at + 4)) {
    const type = ascii(head, at + 8, at + 12);
    if (type === 'vids') found.video = true;
    if (type === 'auds') found.audio = true;
  }
}

const TS_VIDEO: ReadonlySet<number> = new Set([0x01, 0x02, 0x10, 0x1b, 0x20, 0x24, 0x33, 0x42, 0xd1, 0xea]);
const TS_AUDIO: ReadonlySet<number> = new Set([0x03, 0x04, 0x0f, 0x11, 0x1c, 0x81, 0x82, 0x84, 0x87]);

/** Stream types in the first program map (ISO/IEC 13818-1, 2.4.4); packets of 188 bytes, or 192 with a time before each. */
function transportStream(bytes: Uint8Array, found: Found): void {
  const before = bytes[0] === 0x47 ? 0 : 4;
  const packet = before === 0 ? 188 : 192;
  const maps = new Set<number>();
  for (let at = before; at + 188 <= bytes.length && bytes[at] === 0x47 && found.step(); at += packet) {
    const section = sectionOf(bytes, at);
    if (section === undefined) continue;
    const id = (((bytes[at + 1] ?? 0) & 0x1f) << 8) | (bytes[at + 2] ?? 0);
    if (id === 0) {
      for (let next = section.body + 5; next + 4 <= section.end; next += 4) {
        maps.add((((bytes[next + 2] ?? 0) & 0x1f) << 8) | (bytes[next + 3] ?? 0));
      }
    } else if (maps.has(id)) {
      const facts = (((bytes[section.body + 7] ?? 0) & 0x0f) << 8) | (bytes[section.body + 8] ?? 0);
      for (let next = section.body + 9 + facts; next + 5 <= section.end; ) {
        const type = bytes[next] ?? 0;
        if (TS_VIDEO.has(type)) found.video = true;
        if (TS_AUDIO.has(type)) found.audio = true;
        next += 5 + ((((bytes[next + 3] ?? 0) & 0x0f) << 8) | (bytes[next + 4] ?? 0));
      }
      return;
    }
  }
}

/** A table that begins in this packet: its body behind the length, and where it ends, checksum left out. */
function sectionOf(bytes: Uint8Array, at: number): { readonly body: number; readonly end: number } | undefined {
  if (((bytes[at + 1] ?? 0) & 0x40) === 0) return undefined;
  const adaptation = ((bytes[at + 3] ?? 0) & 0x20) === 0 ? 0 : 1 + (bytes[at + 4] ?? 0);
  const pointer = at + 4 + adaptation;
  const table = pointer + 1 + (bytes[pointer] ?? 0);
  if (table + 3 > at + 188) return undefined;
  const length = (((bytes[table + 1] ?? 0) & 0x0f) << 8) | (bytes[table + 2] ?? 0);
  return { body: table + 3, end: Math.min(at + 188, table + 3 + length) - 4 };
}

type Walk = (bytes: Uint8Array, found: Found) => void;
const ISOBMFF: Walk = (bytes, found) => isobmff(bytes, 0, bytes.length, found);

/** Containers of sound or video: how their tracks are told, and what they are called with and without pictures. */
const CONTAINERS: Readonly<Record<string, { readonly walk: Walk; readonly audio: string; readonly video: string }>> = {
  'video/mp4': { walk: ISOBMFF, audio: 'audio/mp4', video: 'video/mp4' },
  'video/x-m4v': { walk: ISOBMFF, audio: 'audio/mp4', video: 'video/mp4' },
  'video/3gpp': { walk: ISOBMFF, audio: 'audio/3gpp', video: 'video/3gpp' },
  'video/3gpp2': { walk: ISOBMFF, audio: 'audio/3gpp2', video: 'video/3gpp2' },
  'video/quicktime': { walk: ISOBMFF, audio: 'audio/mp4', video: 'video/quicktime' },
  'audio/mp4': { walk: ISOBMFF, audio: 'audio/mp4', video: 'video/mp4' },
  'audio/x-m4a': { walk: ISOBMFF, audio: 'audio/mp4', video: 'video/mp4' },
  'video/matroska': { walk: (b, f) => matroska(b, 0, b.length, f), audio: 'audio/matroska', video: 'video/matroska' },
  'video/webm': { walk: (b, f) => matroska(b, 0, b.length, f), audio: 'audio/webm', video: 'video/webm' },
  'application/ogg': { walk: ogg, audio: 'audio/ogg', video: 'video/ogg' },
  'audio/ogg': { walk: ogg, audio: 'audio/ogg', video: 'video/ogg' },
  'video/ogg': { walk: ogg, audio: 'audio/ogg', video: 'video/ogg' },
  'application/vnd.ms-asf': { walk: asf, audio: 'audio/x-ms-wma', video: 'video/x-ms-asf' },
  'video/x-ms-asf': { walk: asf, audio: 'audio/x-ms-wma', video: 'video/x-ms-asf' },
  'audio/x-ms-asf': { walk: asf, audio: 'audio/x-ms-wma', video: 'video/x-ms-asf' },
  'video/vnd.avi': { walk: avi, audio: 'audio/vnd.avi', video: 'video/vnd.avi' },
  'video/mp2t': { walk: transportStream, audio: 'audio/mp2t', video: 'video/mp2t' },
};

/**
 * The media type of a container by what is in it: sound alone, or pictures. Headers alone are read, each range checked.
 * Undefined where it is no such container, or where neither is found in it.
 */
export function trackType(bytes: Uint8Array, mediaType: string): string | undefined {
  const container = Object.hasOwn(CONTAINERS, mediaType) ? CONTAINERS[mediaType] : undefined;
  if (container === undefined) return undefined;
  const found = new Found();
  container.walk(bytes, found);
  if (found.video) return container.video;
  return found.audio ? container.audio : undefined;
}
