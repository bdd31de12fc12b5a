import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type InputType, type ZlibOptions, zstdCompress } from 'node:zlib';

/** Compresses a stream in frames, several at a time, whose outputs belong one behind the other. */
export interface FrameCoder {
  /** Called in the order of the stream. */
  frame(bytes: Uint8Array): Promise<Uint8Array>;
  /** What comes behind the last frame. */
  end(): Uint8Array;
}

const deflate = promisify<InputType, ZlibOptions, Buffer>(deflateRaw);
const zstd = promisify(zstdCompress);

/** Magic, deflate, no name and no time, no hint, an unknown system (RFC 1952). */
const GZIP_HEAD = Buffer.from('1f8b08000000000000ff', 'hex');
/** The last block of a deflate stream, with nothing in it. */
const LAST_BLOCK = Buffer.from('0300', 'hex');

/**
 * One gzip member. It is not made of a member for each frame, because `tarfile` of Python, and so `webdataset`, ends a
 * stream of several behind the first without a word. A full flush ends each frame in its place: what comes behind it needs
 * nothing from before, so it can be entered there as raw deflate, and frames can be compressed side by side.
 */
export class GzipFrames implements FrameCoder {
  #begun = false;
  #crc = 0;
  #bytes = 0n;

  async frame(bytes: Uint8Array): Promise<Uint8Array> {
    const first = !this.#begun;
    this.#begun = true;
    this.#crc = crc32(bytes, this.#crc);
    this.#bytes += BigInt(bytes.length);
    const deflated = await deflate(bytes, { finishFlush: constants.Z_FULL_FLUSH });
    return first ? Buffer.concat([GZIP_HEAD, deflated]) : deflated;
  }

  end(): Uint8Array {
    const tail = Buffer.alloc(8);
    tail.writeUInt32LE(this.#crc);
    tail.writeUInt32LE(Number(BigInt.asUintN(32, this.#bytes)), 4);
    return Buffer.concat([LAST_BLOCK, tail]);
  }
}

/** A sequence of zstd frames (RFC 8878), each with its size and checksum. */
export class ZstdFrames implements FrameCoder {
  frame(bytes: Uint8Array): Promise<Uint8Array> {
    return zstd(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  }

  end(): Uint8Array {
    return new Uint8Array(0);
  }
}
