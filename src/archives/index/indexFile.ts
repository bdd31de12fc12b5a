import { open, rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { fileChunks } from '../../formats/fileChunks.ts';
import { PageCache } from '../../formats/pageCache.ts';
import { lowerBound } from '../../lsh/corpus/lowerBound.ts';
import { decodeEntry, type Entry, entryLength, nameHash } from './entry.ts';
import { BLOCK_ROW, type IndexHead, MAGIC, TRAILER } from './layout.ts';
import { NAME_ROW } from './nameTable.ts';

/** Pages of rows that are kept, of names and of blocks: 2 MiB and 512 KiB. */
const NAME_PAGES = 256;
const BLOCK_PAGES = 64;
/** Bytes read of an entry at first: most are shorter. */
const ENTRY_GUESS = 256;

/** Rows that a first guess is off by, or twice as many, and so on. */
const NEAR = 64;

/** A stretch of a compressed archive that can be read by itself. */
export interface Block {
  readonly number: number;
  /** Where it lies in the compressed archive. */
  readonly stored: number;
  readonly storedEnd: number;
  /** Where its content lies in the archive. */
  readonly start: number;
  readonly end: number;
  /** Offset of its content in the pack, if it is there. */
  readonly packed: number | undefined;
}

/** An index file, open. Looking something up reads a few kilobytes of it, and blocks. */
export class IndexFile {
  readonly head: IndexHead;
  readonly #file: string;
  readonly #names = new PageCache({ pages: NAME_PAGES, files: 1 });
  /** By itself: a cache takes all rows of a file to be of one size. */
  readonly #blocks = new PageCache({ pages: BLOCK_PAGES, files: 1 });

  private constructor(file: string, head: IndexHead) {
    this.#file = file;
    this.head = head;
  }

  /** Opens an index file; undefined where there is none for this key that is whole. All of it is read for that. */
  static async open(file: string, key: string): Promise<IndexFile | undefined> {
    const head = await readHead(file);
    return head?.key === key ? new IndexFile(file, head) : undefined;
  }

  entry(name: string): Entry | undefined {
    return this.#find(name)?.entry;
  }

  #find(name: string): { readonly entry: Entry; readonly place: number } | undefined {
    const { rows } = this.head;
    const hash = nameHash(name);
    for (let row = this.#firstRow(hash); row < rows; row++) {
      const bytes = this.#row(row);
      if (bytes.readUIntBE(0, 6) !== hash) return undefined;
      const place = bytes.readUIntBE(6, 6);
      const entry = this.#entryAt(place);
      if (entry.name === name) return { entry, place };
    }
    return undefined;
  }

  /** The first row whose hash is at least this: hashes are even, so it lies near where it should. */
  #firstRow(hash: number): number {
    const { rows } = this.head;
    const hashAt = (row: number): number => this.#row(row).readUIntBE(0, 6);
    const guess = Math.floor((hash / 2 ** 48) * rows);
    let from = guess;
    let to = guess;
    for (let step = NEAR; from > 0 && hashAt(from) >= hash; step *= 2) from = Math.max(0, from - step);
    for (let step = NEAR; to < rows && hashAt(to) < hash; step *= 2) to = Math.min(rows, to + step);
    return from + lowerBound(to - from, hash, (at) => hashAt(from + at));
  }

  /** Entries in the archive's order, each name once: the last that has it. */
  async *entries(): AsyncGenerator<Entry> {
    let rest: Buffer = Buffer.alloc(0);
    let place = 0;
    for await (const chunk of fileChunks(this.#file, 0, this.head.entriesEnd, 256 << 10)) {
      const bytes = Buffer.concat([rest, chunk]);
      let at = 0;
      while (bytes.length - at >= 4) {
        const length = entryLength(bytes.subarray(at));
        if (bytes.length - at < length) break;
        const entry = decodeEntry(bytes.subarray(at, at + length));
        if (this.head.superseded === 0 || this.#find(entry.name)?.place === place) yield entry;
        at += length;
        place += length;
      }
      rest = bytes.subarray(at);
    }
  }

  /** The block that holds a byte of a compressed archive's content. */
  blockAt(byte: number): Block {
    const after = lowerBound(this.head.blocks, byte + 1, (at) => this.#block(at).readDoubleLE(16));
    return this.block(after - 1);
  }

  block(number: number): Block {
    const row = this.#block(number);
    const packed = row.readDoubleLE(24);
    return {
      number,
      stored: row.readDoubleLE(0),
      storedEnd: row.readDoubleLE(8),
      start: row.readDoubleLE(16),
      end: number + 1 < this.head.blocks ? this.#block(number + 1).readDoubleLE(16) : this.head.contentBytes,
      packed: packed === 0 ? undefined : packed - 1,
    };
  }

  close(): void {
    this.#names.close();
    this.#blocks.close();
  }

  /** Sees to it that the index is made anew when it is opened the next time. */
  async discard(): Promise<void> {
    await rm(this.#file, { force: true });
  }

  #row(number: number): Buffer {
    return buffer(this.#names.row(this.#file, NAME_ROW, this.head.rowsStart / NAME_ROW + number));
  }

  #block(number: number): Buffer {
    return buffer(this.#blocks.row(this.#file, BLOCK_ROW, this.head.blocksStart / BLOCK_ROW + number));
  }

  #entryAt(place: number): Entry {
    const end = this.head.entriesEnd;
    const guess = buffer(this.#names.range(this.#file, place, Math.min(end, place + ENTRY_GUESS)));
    const length = entryLength(guess);
    if (length <= guess.length) return decodeEntry(guess.subarray(0, length));
    return decodeEntry(buffer(this.#names.range(this.#file, place, place + length)));
  }
}

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

async function readHead(file: string): Promise<IndexHead | undefined> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (handle === undefined) return undefined;
  let length: number;
  const trailer = Buffer.alloc(TRAILER);
  try {
    const { size } = await handle.stat();
    if (size < TRAILER) return undefined;
    length = size - TRAILER;
    await handle.read(trailer, 0, TRAILER, length);
  } finally {
    await handle.close();
  }
  const jsonLength = trailer.readUInt32LE(0);
  if (trailer.toString('latin1', 8) !== MAGIC || jsonLength > Math.min(length, 1 << 20)) return undefined;
  let crc = 0;
  for await (const chunk of fileChunks(file, 0, length)) crc = crc32(chunk, crc);
  if (crc !== trailer.readUInt32LE(4)) return undefined;
  const json = Buffer.alloc(jsonLength);
  let at = 0;
  for await (const chunk of fileChunks(file, length - jsonLength, length)) {
    json.set(chunk, at);
    at += chunk.length;
  }
  return JSON.parse(json.toString('utf8')) as IndexHead;
}
