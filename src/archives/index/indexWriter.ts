import { type FileHandle, open, rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { decodeEntry, type Entry, encodeEntry, nameHash } from './entry.ts';
import { ALIGNMENT, type ArchiveFacts, BLOCK_ROW, type IndexHead, MAGIC, TRAILER } from './layout.ts';
import { NAME_ROW, NameTable } from './nameTable.ts';

const BUFFER_BYTES = 256 << 10;

/** Writes an index file from front to back, in bounded memory. */
export class IndexWriter {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #spill: FileHandle;
  readonly #names: NameTable;
  #crc = 0;
  #flushed = 0;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #buffered = 0;

  private constructor(file: string, handle: FileHandle, spill: FileHandle) {
    this.#file = file;
    this.#handle = handle;
    this.#spill = spill;
    this.#names = new NameTable(spill);
  }

  static async create(file: string): Promise<IndexWriter> {
    const handle = await open(file, 'wx+');
    try {
      return new IndexWriter(file, handle, await open(spillOf(file), 'wx+'));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async add(entry: Entry): Promise<void> {
    const place = this.#position;
    await this.#write(encodeEntry(entry));
    await this.#names.add(nameHash(entry.name), place);
  }

  /** @param blocks rows of blocks, as they are to lie in the file */
  async finish(key: string, facts: ArchiveFacts, blocks: Iterable<Buffer>): Promise<void> {
    const entriesEnd = this.#position;
    await this.#align();
    const rowsStart = this.#position;
    const superseded = await this.#writeNames();
    const rows = (this.#position - rowsStart) / NAME_ROW;
    await this.#align();
    const blocksStart = this.#position;
    for (const row of blocks) await this.#write(row);
    const head: IndexHead = {
      ...facts,
      key,
      entriesEnd,
      rowsStart,
      rows,
      superseded,
      blocksStart,
      blocks: (this.#position - blocksStart) / BLOCK_ROW,
    };
    const json = Buffer.from(JSON.stringify(head));
    await this.#write(json);
    await this.#flush();
    const trailer = Buffer.alloc(TRAILER);
    trailer.writeUInt32LE(json.length, 0);
    trailer.writeUInt32LE(this.#crc, 4);
    trailer.write(MAGIC, 8, 'latin1');
    await this.#write(trailer);
    await this.#flush();
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#spill.close();
    await rm(spillOf(this.#file), { force: true });
  }

  /** Of entries with one name, the last stays. Returns how many go. */
  async #writeNames(): Promise<number> {
    let superseded = 0;
    let equal: Buffer[] = [];
    const settle = async (): Promise<void> => {
      const [only] = equal;
      if (equal.length === 1 && only !== undefined) await this.#write(only);
      else {
        const last = new Map<string, Buffer>();
        for (const row of equal) last.set((await this.#entryAt(row.readUIntBE(6, 6))).name, row);
        for (const row of last.values()) await this.#write(row);
        superseded += equal.length - last.size;
      }
      equal = [];
    };
    for await (const rows of this.#names.sorted()) {
      for (let at = 0; at < rows.length; at += NAME_ROW) {
        const row = rows.subarray(at, at + NAME_ROW);
        if (equal[0] !== undefined && equal[0].compare(row, 0, 6, 0, 6) !== 0) await settle();
        equal.push(row);
      }
      // Equal hashes share a bucket.
      await settle();
    }
    return superseded;
  }

  async #entryAt(place: number): Promise<Entry> {
    await this.#flush();
    const length = Buffer.alloc(4);
    await this.#handle.read(length, 0, 4, place);
    const bytes = Buffer.alloc(length.readUInt32LE(0));
    await this.#handle.read(bytes, 0, bytes.length, place);
    return decodeEntry(bytes);
  }

  get #position(): number {
    return this.#flushed + this.#buffered;
  }

  async #align(): Promise<void> {
    await this.#write(Buffer.alloc((ALIGNMENT - (this.#position % ALIGNMENT)) % ALIGNMENT));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(bytes.length - at, BUFFER_BYTES - this.#buffered);
      this.#buffer.set(bytes.subarray(at, at + taken), this.#buffered);
      this.#buffered += taken;
      at += taken;
      if (this.#buffered === BUFFER_BYTES) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#buffered);
    this.#crc = crc32(bytes, this.#crc);
    for (let done = 0; done < bytes.length; ) {
      done += (await this.#handle.write(bytes, done, bytes.length - done, this.#flushed + done)).bytesWritten;
    }
    this.#flushed += bytes.length;
    this.#buffered = 0;
  }
}

const spillOf = (file: string): string => `${file}.names`;
