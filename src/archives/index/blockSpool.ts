import type { Compression } from '../../sources/compression.ts';
import { decompress } from '../../sources/compression.ts';
import { BLOCK_ROW } from './layout.ts';
import type { PackWriter } from './pack.ts';

/** Content of a block at most that is read anew from the archive; what is larger goes to the pack. */
export const MOST_BLOCK = 4 << 20;
/** Frames are taken together up to this, so that there are not too many of them. */
const LEAST_BLOCK = 512 << 10;

const CHUNK_ROWS = 1024;

/**
 * Divides a compressed archive into blocks that can each be read by themselves, while it is read: at the ends of gzip
 * members and Zstandard frames. Of one that is too large to be read for a single member, the content goes to a pack, and so
 * does that of one in which the archive breaks off.
 */
export class BlockSpool {
  readonly #pack: PackWriter;
  /** Rows of the blocks, many to a buffer. */
  readonly #rows: Buffer[] = [];
  #count = 0;
  #stored = 0;
  #start = 0;
  /** Content of the block at hand; in the pack from `#packed` on, once there is too much. */
  #held: Uint8Array[] = [];
  #bytes = 0;
  #packed: number | undefined;

  constructor(pack: PackWriter) {
    this.#pack = pack;
  }

  /** The archive's content, as it is spooled. Throws what `decompress` does, once all before is kept. */
  async *content(
    input: AsyncIterable<Uint8Array>,
    compression: Compression,
    maxExpansion: number,
  ): AsyncGenerator<Uint8Array> {
    let bytesIn = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of input) {
        bytesIn += chunk.length;
        yield chunk;
      }
    }
    let whole = false;
    try {
      for await (const chunk of decompress(counted(), compression, maxExpansion, (end) => this.#frame(end))) {
        await this.#take(chunk);
        yield chunk;
      }
      whole = true;
    } finally {
      if (!whole && this.#bytes > 0) await this.#toPack();
      this.#close(bytesIn);
    }
  }

  /** Bytes of content. */
  get bytes(): number {
    return this.#start;
  }

  /** Rows of the blocks, for the index file. */
  *rows(): Generator<Buffer> {
    let left = this.#count * BLOCK_ROW;
    for (const rows of this.#rows) {
      yield rows.subarray(0, left);
      left -= rows.length;
    }
  }

  #frame(end: number): void {
    if (this.#bytes >= LEAST_BLOCK) this.#close(end);
  }

  async #take(chunk: Uint8Array): Promise<void> {
    this.#bytes += chunk.length;
    if (this.#packed !== undefined) {
      await this.#pack.append(chunk);
      return;
    }
    this.#held.push(chunk);
    if (this.#bytes > MOST_BLOCK) await this.#toPack();
  }

  async #toPack(): Promise<void> {
    this.#packed ??= this.#pack.bytes;
    for (const chunk of this.#held) await this.#pack.append(chunk);
    this.#held = [];
  }

  #close(storedEnd: number): void {
    if (this.#bytes === 0) return;
    const row = this.#count++ % CHUNK_ROWS;
    if (row === 0) this.#rows.push(Buffer.alloc(CHUNK_ROWS * BLOCK_ROW));
    const rows = this.#rows.at(-1);
    const values = [this.#stored, storedEnd, this.#start, this.#packed === undefined ? 0 : this.#packed + 1];
    for (const [column, value] of values.entries()) rows?.writeDoubleLE(value, row * BLOCK_ROW + column * 8);
    this.#stored = storedEnd;
    this.#start += this.#bytes;
    this.#bytes = 0;
    this.#held = [];
    this.#packed = undefined;
  }
}
