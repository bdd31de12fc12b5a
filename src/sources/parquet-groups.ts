import { randomUUID } from 'node:crypto';
import { sharedPool, workerModule } from '../run/pool.ts';
import { type OpenFile, versionOf } from './open-file.ts';
import type { DecodedRows, RowChunk, RowGroupTask } from './parquet.worker.ts';
import { chunkRanges, type FilePart, fetchParts } from './parquet-fetch.ts';
import type { Footer } from './parquet-footer.ts';

const WORKER = workerModule(import.meta.url, './parquet.worker');

export type WantedRows = Omit<RowGroupTask, 'size' | 'from'>;

/** Bytes of a row group that are fetched. */
interface Fetched {
  readonly group: number;
  readonly parts: Promise<readonly FilePart[]>;
}

/** Decodes row groups in a worker thread; of a remote file the next one is fetched meanwhile. */
export class RowGroups {
  readonly #file: OpenFile;
  readonly #footer: Footer;
  /** What a worker knows the footer by. */
  readonly #key: string;
  readonly #columns: ReadonlySet<string>;
  readonly #last: number;
  /** The one in hand, as long as not all of its rows are handed over. */
  #current: Fetched | undefined;
  #next: Fetched | undefined;

  /** @param last row group behind the last that will be asked for */
  constructor(file: OpenFile, footer: Footer, columns: ReadonlySet<string>, last: number) {
    this.#file = file;
    this.#footer = footer;
    this.#key = versionOf(file) ?? randomUUID();
    this.#columns = columns;
    this.#last = last;
  }

  /**
   * Rows in chunks: the first of those that are wanted, at least one of them. What its store throws passes; other errors are
   * of the bytes, which were fetched twice then.
   */
  async decode(rows: WantedRows, signal: AbortSignal): Promise<RowChunk[]> {
    const { group } = rows;
    const { local, size, mtimeMs = 0 } = this.#file;
    if (local !== undefined) {
      return (await run({ ...rows, size, from: { path: local, mtimeMs } }, [], signal)).chunks;
    }
    const attempt = async (parts: readonly FilePart[]): Promise<RowChunk[]> => {
      const task = { ...rows, size, from: { key: this.#key, tail: this.#footer.tail, parts } };
      const decoded = await run(
        task,
        parts.map(({ bytes }) => bytes.buffer),
        signal,
      );
      if (decoded.parts !== undefined) this.#current = { group, parts: Promise.resolve(decoded.parts) };
      return decoded.chunks;
    };
    const known = [this.#current, this.#next].find((one) => one?.group === group);
    const fetched = await (known?.parts ?? this.#fetch(group, this.#footer.before));
    this.#current = undefined;
    if (group + 1 < this.#last && this.#next?.group !== group + 1) {
      this.#next = { group: group + 1, parts: this.#fetch(group + 1, this.#footer.before) };
      // Whoever asks for that group hears of it.
      this.#next.parts.catch(() => {});
    }
    try {
      return await attempt(fetched);
    } catch (error) {
      if (signal.aborted) throw error;
      return attempt(await this.#fetch(group));
    }
  }

  async close(): Promise<void> {
    await this.#next?.parts.catch(() => {});
  }

  #fetch(group: number, before?: FilePart): Promise<FilePart[]> {
    return fetchParts(this.#file, chunkRanges(this.#footer.metadata, group, this.#columns), before);
  }
}

function run(task: RowGroupTask, move: readonly ArrayBuffer[], signal: AbortSignal): Promise<DecodedRows> {
  return sharedPool().run<DecodedRows>(WORKER, task, move, signal);
}
