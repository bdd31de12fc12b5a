import { crc32, createInflateRaw, inflateRawSync, zstdDecompressSync } from 'node:zlib';
import { decompress, OUTPUT_CHUNK } from '../sources/compression.ts';
import { Decoder } from '../sources/decoder.ts';
import { Failure } from '../sources/failure.ts';
import type { OpenFile } from '../sources/open-file.ts';
import type { FileWindow } from './fileWindow.ts';
import { LOCAL_BYTES, METHODS, overlapping, type ZipMember } from './zipDirectory.ts';

const LOCAL = 0x04034b50;

/** Members up to this size are unpacked in one go, which takes a tenth of the time that a stream takes to be set up. */
const SMALL_PACKED = 64 << 10;
const SMALL = 512 << 10;

/** zlib takes no less. */
const LEAST_CHUNK = 64;

/** What must be known of a member to read it. */
type Wanted = Pick<ZipMember, 'name' | 'rawName' | 'offset' | 'packed' | 'size' | 'crc' | 'method' | 'end'>;

const HINT = 'Copy the file again.';

/** Whether a member is small enough to be unpacked in one go. */
export const isSmall = ({ packed, size }: Pick<ZipMember, 'packed' | 'size'>): boolean =>
  packed <= SMALL_PACKED && size <= SMALL;

/** Content of a small member in one piece, a buffer of its own; throws what `zipContent` does. */
export async function smallContent(window: FileWindow, member: Wanted): Promise<Uint8Array<ArrayBuffer>> {
  const { name, packed, size, method } = member;
  const start = await contentStart(window, member);
  const bytes = await window.bytes(start, start + packed);
  const kind = METHODS[method];
  const content = new Uint8Array(kind === 'stored' ? bytes : unpackedAtOnce(bytes, kind === 'zstd', name, size));
  checkContent(member, content.length, crc32(content));
  return content;
}

/**
 * Content of a member, checked against its size and checksum. A member that turns out to be damaged at its end has given
 * what it holds by then.
 *
 * @throws Failure `HEADER_MISMATCH`, `OVERLAPPING_MEMBER`, `CORRUPT_COMPRESSION`, `WRONG_SIZE`, `WRONG_CHECKSUM`
 */
export async function* zipContent(window: FileWindow, member: Wanted): AsyncGenerator<Uint8Array> {
  if (isSmall(member)) {
    yield await smallContent(window, member);
    return;
  }
  const { name, size } = member;
  const start = await contentStart(window, member);
  let bytes = 0;
  let crc = 0;
  for await (const chunk of unpacked(window.file, member, start)) {
    bytes += chunk.length;
    if (bytes > size) throw wrongSize(name, `more than the ${size}`);
    crc = crc32(chunk, crc);
    yield chunk;
  }
  checkContent(member, bytes, crc);
}

function checkContent({ name, size, crc: wanted }: Wanted, bytes: number, crc: number): void {
  if (bytes !== size) throw wrongSize(name, `${bytes} bytes, not the ${size}`);
  if (crc === wanted) return;
  throw new Failure('WRONG_CHECKSUM', `'${name}' has another checksum than the archive says it has`, HINT);
}

async function contentStart(
  window: FileWindow,
  { name, rawName, offset, packed, method, end }: Wanted,
): Promise<number> {
  const fixedEnd = offset + LOCAL_BYTES;
  if (fixedEnd + rawName.length > end) throw overlapping(name, end);
  const header = Buffer.from(await window.bytes(offset, fixedEnd + rawName.length));
  const same =
    header.readUInt32LE(0) === LOCAL &&
    header.readUInt16LE(8) === method &&
    header.readUInt16LE(26) === rawName.length &&
    header.subarray(LOCAL_BYTES).equals(rawName);
  if (!same) {
    const what = `at byte ${offset} there is no header of '${name}' that agrees with the directory`;
    throw new Failure('HEADER_MISMATCH', what, HINT);
  }
  const start = fixedEnd + rawName.length + header.readUInt16LE(28);
  if (start + packed > end) throw overlapping(name, end);
  return start;
}

async function* unpacked(file: OpenFile, { name, packed, method }: Wanted, start: number): AsyncGenerator<Uint8Array> {
  const kind = METHODS[method];
  const input = file.stream(start, start + packed);
  if (kind === 'stored') {
    yield* input;
    return;
  }
  if (kind === 'zstd') {
    // Its ratio was looked at before, and its size is.
    yield* decompress(input, kind, Number.POSITIVE_INFINITY);
    return;
  }
  const decoder = new Decoder(createInflateRaw({ chunkSize: OUTPUT_CHUNK }));
  let used = 0;
  try {
    for await (const chunk of input) {
      yield* decoder.write(chunk);
      used += decoder.consumed;
      if (decoder.ended) break;
    }
    if (!decoder.ended) yield* decoder.end();
  } catch (error) {
    throw damaged(error, name);
  } finally {
    decoder.destroy();
  }
  if (used !== packed) throw wrongSize(name, `${used} packed bytes, not the ${packed}`);
}

function unpackedAtOnce(bytes: Uint8Array, zstd: boolean, name: string, size: number): Uint8Array {
  // A byte more than there should be, so that more can be told from as much.
  const options = { maxOutputLength: size + 1, chunkSize: Math.max(LEAST_CHUNK, Math.min(size + 1, OUTPUT_CHUNK)) };
  try {
    if (zstd) return zstdDecompressSync(bytes, options);
    // With `info`, zlib also tells how much of its input it has used; its types do not.
    const { buffer, engine } = inflateRawSync(bytes, { ...options, info: true }) as unknown as {
      readonly buffer: Uint8Array;
      readonly engine: { readonly bytesWritten: number };
    };
    if (engine.bytesWritten !== bytes.length) {
      throw wrongSize(name, `${engine.bytesWritten} packed bytes, not the ${bytes.length}`);
    }
    return buffer;
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof RangeError) throw wrongSize(name, `more than the ${size} bytes`);
    throw damaged(error, name);
  }
}

const wrongSize = (name: string, has: string): Failure =>
  new Failure('WRONG_SIZE', `'${name}' has ${has} that the archive says it has`, HINT);

function damaged(error: unknown, name: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || !/^(Z_|ZSTD_)/.test(String(error.code))) return error;
  return new Failure('CORRUPT_COMPRESSION', `'${name}' is damaged: ${error.message}`, HINT, error);
}
