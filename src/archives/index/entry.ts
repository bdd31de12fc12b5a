import { hash } from 'node:crypto';

/** A member as an index keeps it. */
export interface Entry {
  readonly name: string;
  /** Offset in the (decompressed) archive of its content, of a ZIP member of its header. */
  readonly byte: number;
  readonly size: number;
  /** SHA-256 of its content, where that was read. */
  readonly sha256?: Uint8Array | undefined;
  /** How a ZIP member is packed, and where it must end. */
  readonly zip?: ZipPlace | undefined;
  /** Why it cannot be read. */
  readonly refused?: { readonly code: string; readonly message: string } | undefined;
}

export interface ZipPlace {
  readonly rawName: Uint8Array;
  readonly packed: number;
  readonly end: number;
  readonly crc: number;
  readonly method: number;
}

const SHA = 1;
const ZIP = 2;
const REFUSED = 4;

/** Length of the entry, flags, two numbers. */
const HEAD = 4 + 1 + 16;
const SHA_BYTES = 32;
const ZIP_BYTES = 8 + 8 + 4 + 2 + 2;

/** Name that a member goes by: `./a` is `a`, as `tar` says of the folder it is in. */
export const memberName = (name: string): string => name.replace(/^(\.\/+)+/, '');

/** 48 bits of the SHA-256 of a name: what rows of the table are sorted by. */
export const nameHash = (name: string): number => Number.parseInt(hash('sha256', name, 'hex').slice(0, 12), 16);

/**
 * An entry as bytes: its length (u32), flags (u8), byte and size (f64), then by flags 32 bytes of SHA-256; packed size and end
 * (f64), CRC (u32), method (u16) and the name in the directory (u16 and as many bytes); the reason of a refusal (u16 and
 * as many bytes of JSON); then the name in UTF-8. All numbers little-endian.
 */
export function encodeEntry({ name, byte, size, sha256, zip, refused }: Entry): Buffer {
  const nameBytes = Buffer.from(name);
  const reason = refused === undefined ? undefined : Buffer.from(JSON.stringify([refused.code, refused.message]));
  const length =
    HEAD +
    (sha256 === undefined ? 0 : SHA_BYTES) +
    (zip === undefined ? 0 : ZIP_BYTES + zip.rawName.length) +
    (reason === undefined ? 0 : 4 + reason.length) +
    nameBytes.length;
  const bytes = Buffer.allocUnsafe(length);
  let at = bytes.writeUInt32LE(length, 0);
  const flags = (sha256 === undefined ? 0 : SHA) | (zip === undefined ? 0 : ZIP) | (reason === undefined ? 0 : REFUSED);
  at = bytes.writeUInt8(flags, at);
  at = bytes.writeDoubleLE(byte, at);
  at = bytes.writeDoubleLE(size, at);
  if (sha256 !== undefined) {
    bytes.set(sha256, at);
    at += SHA_BYTES;
  }
  if (zip !== undefined) {
    at = bytes.writeDoubleLE(zip.packed, at);
    at = bytes.writeDoubleLE(zip.end, at);
    at = bytes.writeUInt32LE(zip.crc, at);
    at = bytes.writeUInt16LE(zip.method, at);
    at = bytes.writeUInt16LE(zip.rawName.length, at);
    bytes.set(zip.rawName, at);
    at += zip.rawName.length;
  }
  if (reason !== undefined) {
    at = bytes.writeUInt32LE(reason.length, at);
    bytes.set(reason, at);
    at += reason.length;
  }
  bytes.set(nameBytes, at);
  return bytes;
}

/** Length of the entry that bytes begin with; they must be four at least. */
export const entryLength = (bytes: Buffer): number => bytes.readUInt32LE(0);

export function decodeEntry(bytes: Buffer): Entry {
  const end = bytes.readUInt32LE(0);
  const flags = bytes.readUInt8(4);
  const byte = bytes.readDoubleLE(5);
  const size = bytes.readDoubleLE(13);
  let at = HEAD;
  let sha256: Uint8Array | undefined;
  let zip: ZipPlace | undefined;
  let refused: Entry['refused'];
  if ((flags & SHA) !== 0) {
    sha256 = bytes.subarray(at, at + SHA_BYTES);
    at += SHA_BYTES;
  }
  if ((flags & ZIP) !== 0) {
    const rawLength = bytes.readUInt16LE(at + 22);
    zip = {
      packed: bytes.readDoubleLE(at),
      end: bytes.readDoubleLE(at + 8),
      crc: bytes.readUInt32LE(at + 16),
      method: bytes.readUInt16LE(at + 20),
      rawName: bytes.subarray(at + ZIP_BYTES, at + ZIP_BYTES + rawLength),
    };
    at += ZIP_BYTES + rawLength;
  }
  if ((flags & REFUSED) !== 0) {
    const length = bytes.readUInt32LE(at);
    const [code, message] = JSON.parse(bytes.toString('utf8', at + 4, at + 4 + length)) as [string, string];
    refused = { code, message };
    at += 4 + length;
  }
  return { name: bytes.toString('utf8', at, end), byte, size, sha256, zip, refused };
}
