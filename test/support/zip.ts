import { crc32 } from 'node:zlib';

/** A member of a ZIP archive as its central directory and its local header tell of it. */
export interface ZipMember {
  readonly name: string;
  readonly content: Buffer;
  /** DOS date and time. */
  readonly time: number;
  readonly mode: number;
  /** Whether size and checksum stand before the content, not behind it. */
  readonly sizeFirst: boolean;
}

/** Reads an archive of stored members by the format's description alone (APPNOTE 6.3, no ZIP64), and checks every checksum. */
export function unzipStored(zip: Buffer): ZipMember[] {
  const end = zip.length - 22;
  if (zip.readUInt32LE(end) !== 0x06054b50) throw new Error('no end of central directory');
  let at = zip.readUInt32LE(end + 16);
  let next = 0;
  const members = Array.from({ length: zip.readUInt16LE(end + 10) }, (): ZipMember => {
    if (zip.readUInt32LE(at) !== 0x02014b50) throw new Error('no entry of the central directory');
    const [flags, method] = [zip.readUInt16LE(at + 8), zip.readUInt16LE(at + 10)];
    const [time, crc, packed, size] = [12, 16, 20, 24].map((offset) => zip.readUInt32LE(at + offset));
    const [nameLength = 0, extra = 0, comment = 0] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    const mode = zip.readUInt16LE(at + 40);
    const local = zip.readUInt32LE(at + 42);
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    at += 46 + nameLength + extra + comment;
    if (method !== 0 || packed !== size) throw new Error(`${name} is compressed`);
    if (zip.readUInt32LE(local) !== 0x04034b50 || local !== next) throw new Error(`${name} does not follow`);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const content = zip.subarray(start, start + (size ?? 0));
    if (crc32(content) !== crc) throw new Error(`${name} has another checksum`);
    const sizeFirst = (flags & 8) === 0;
    if (sizeFirst && zip.readUInt32LE(local + 18) !== size) throw new Error(`${name} has two sizes`);
    next = start + content.length + (sizeFirst ? 0 : 16);
    return { name, content, time: time ?? 0, mode, sizeFirst };
  });
  if (at !== end) throw new Error('the central directory does not end where it should');
  return members;
}
