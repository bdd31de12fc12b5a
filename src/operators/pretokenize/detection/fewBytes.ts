import { ascii, viewOf } from './magic.ts';

/** Icons and cursors begin with small numbers alone: there is a picture, and the first lies behind the directory. */
function isIcon(bytes: Uint8Array): boolean {
  if (bytes.length < 22) return false;
  const view = viewOf(bytes);
  const count = view.getUint16(4, true);
  return count > 0 && bytes[9] === 0 && view.getUint32(14, true) > 0 && view.getUint32(18, true) >= 6 + 16 * count;
}

/** Packets of a transport stream whose first byte is looked at. */
const PACKETS = 8;

/** Packets of a transport stream begin with one byte, at 188 or 192 bytes from the one before (ISO/IEC 13818-1, 2.4.3). */
function isTransportStream(bytes: Uint8Array): boolean {
  const [from, size] = bytes[0] === 0x47 && bytes[188] === 0x47 ? [0, 188] : [4, 192];
  let packets = 0;
  for (let at = from; at < bytes.length && packets < PACKETS; at += size) {
    if (bytes[at] !== 0x47) return false;
    packets++;
  }
  return packets > 1;
}

/** Of the files in chunks that begin with `FORM` (EA IFF 85), those of AIFF and AIFF-C. */
const isAiff = (bytes: Uint8Array): boolean => /^AIF[FC]$/.test(ascii(bytes, 8, 12));

const CHECKS: Readonly<Record<string, (bytes: Uint8Array) => boolean>> = {
  'audio/aiff': isAiff,
  'image/x-icon': isIcon,
  'video/mp2t': isTransportStream,
};

/** Whether bytes are of a media type that they were given for a few of them; of other types, true. */
export function isReally(mediaType: string, bytes: Uint8Array): boolean {
  const check = Object.hasOwn(CHECKS, mediaType) ? CHECKS[mediaType] : undefined;
  return check === undefined || check(bytes);
}
