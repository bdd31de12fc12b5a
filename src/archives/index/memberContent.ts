import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { compressionOf, decompress } from '../../sources/compression.ts';
import { Failure } from '../../sources/failure.ts';
import type { OpenFile } from '../../sources/open-file.ts';
import { FileWindow } from '../fileWindow.ts';
import { isSmall, smallContent, zipContent } from '../zipContent.ts';
import { LOCAL_BYTES } from '../zipDirectory.ts';
import type { Entry, ZipPlace } from './entry.ts';
import type { Block, IndexFile } from './indexFile.ts';

const CHUNK = 256 << 10;
/** A ZIP member's own header may have this much more than the directory tells, and is still read together with its content. */
const EXTRA = 256;
const SMALL_PACKED = 64 << 10;

/** Reads the content of members out of an archive, or out of what was kept of it. */
export class MemberContent {
  readonly #file: OpenFile;
  readonly #index: IndexFile;
  readonly #packFile: string | undefined;
  readonly #mostKept: number;
  #pack: Promise<FileHandle> | undefined;
  /** Content of blocks by number, the one used longest ago first. */
  readonly #kept = new Map<number, Promise<Uint8Array>>();
  #keptBytes = 0;

  /** @param mostKept Bytes of blocks that are kept for members that lie beside each other; one block is, whatever its size. */
  constructor(file: OpenFile, index: IndexFile, packFile: string | undefined, mostKept: number) {
    this.#file = file;
    this.#index = index;
    this.#packFile = packFile;
    this.#mostKept = mostKept;
  }

  /**
   * Chunks of a member's content, each a buffer of its own.
   *
   * @throws Failure as `zipContent` and `decompress` do; `WRONG_CHECKSUM` where it is not what was read when the index was made,
   * after all of it was given
   */
  async *chunks(entry: Entry): AsyncGenerator<Uint8Array> {
    const { zip } = entry;
    if (zip !== undefined) yield* zipContent(this.#window(zip), wanted(entry, zip));
    else if (this.#index.head.kind === 'tar') yield* this.#file.stream(entry.byte, entry.byte + entry.size);
    else yield* verified(entry, this.#ofBlocks(entry.byte, entry.byte + entry.size));
  }

  /** All of it, in a buffer of its own; throws what `chunks` does. */
  async whole(entry: Entry): Promise<Uint8Array<ArrayBuffer>> {
    const { byte, size, zip } = entry;
    if (this.#index.head.kind === 'tar') return this.#file.read(byte, byte + size);
    if (zip !== undefined && isSmall({ ...zip, size })) return smallContent(this.#window(zip), wanted(entry, zip));
    const bytes = new Uint8Array(size);
    let filled = 0;
    for await (const chunk of this.chunks(entry)) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    return bytes;
  }

  async close(): Promise<void> {
    this.#kept.clear();
    await (await this.#pack?.catch(() => undefined))?.close();
  }

  /** For one member: its header and, if it is small, its content come with one read. */
  #window({ packed, rawName }: ZipPlace): FileWindow {
    return new FileWindow(this.#file, LOCAL_BYTES + rawName.length + EXTRA + (packed <= SMALL_PACKED ? packed : 0));
  }

  async *#ofBlocks(from: number, to: number): AsyncGenerator<Uint8Array> {
    if (from === to) return;
    let block = this.#index.blockAt(from);
    for (let at = from; at < to; block = this.#index.block(block.number + 1)) {
      const end = Math.min(to, block.end);
      if (block.packed === undefined) yield (await this.#content(block)).slice(at - block.start, end - block.start);
      else yield* this.#packed(block.packed + at - block.start, block.packed + end - block.start);
      at = end;
      if (at === to) return;
    }
  }

  #content(block: Block): Promise<Uint8Array> {
    const { number } = block;
    const bytes = block.end - block.start;
    let content = this.#kept.get(number);
    if (content === undefined) {
      content = this.#decoded(block);
      this.#keptBytes += bytes;
      content.catch(() => this.#forget(number, bytes));
    }
    this.#kept.delete(number);
    this.#kept.set(number, content);
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= this.#mostKept || oldest === number) break;
      const { start, end } = this.#index.block(oldest);
      this.#forget(oldest, end - start);
    }
    return content;
  }

  #forget(number: number, bytes: number): void {
    if (this.#kept.delete(number)) this.#keptBytes -= bytes;
  }

  async #decoded({ stored, storedEnd, start, end }: Block): Promise<Uint8Array> {
    const content = new Uint8Array(end - start);
    let filled = 0;
    const compression = compressionOf(this.#file.uri) ?? 'gzip';
    for await (const chunk of decompress(this.#file.stream(stored, storedEnd), compression, Number.POSITIVE_INFINITY)) {
      if (filled + chunk.length > content.length) throw otherContent(start);
      content.set(chunk, filled);
      filled += chunk.length;
    }
    if (filled < content.length) throw otherContent(start);
    return content;
  }

  async *#packed(from: number, to: number): AsyncGenerator<Uint8Array> {
    this.#pack ??= open(this.#packFile ?? '', 'r');
    const handle = await this.#pack.catch((error: NodeJS.ErrnoException) => {
      this.#pack = undefined;
      if (error.code !== 'ENOENT') throw error;
      throw new Failure('WRONG_CHECKSUM', 'what was kept of the archive is gone', undefined, error);
    });
    for (let at = from; at < to; ) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK, to - at));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, at);
      if (bytesRead === 0) throw new Failure('WRONG_CHECKSUM', 'what was kept of the archive is not whole');
      at += bytesRead;
      yield bytes.subarray(0, bytesRead);
    }
  }
}

const wanted = ({ name, byte, size }: Entry, zip: ZipPlace) => ({ ...zip, name, offset: byte, size });

const otherContent = (byte: number): Failure =>
  new Failure('WRONG_CHECKSUM', `the archive holds something else behind byte ${byte} than when its index was made`);

async function* verified({ name, sha256 }: Entry, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  if (sha256 === undefined || hash.digest().equals(sha256)) return;
  throw new Failure('WRONG_CHECKSUM', `'${name}' has another hash than when the index was made`);
}
