import { sharedPool, workerModule } from '../run/pool.ts';
import type { OpenFile } from './open-file.ts';
import type { RowChunk, RowGroupTask } from './parquet.worker.ts';
import { chunkRanges, type FilePart, fetchParts } from './parquet-fetch.ts';
import type { Footer } from './parquet-footer.ts';

const WORKER = workerModule(import.meta.url, './parquet.worker');

export type WantedRows = Pick<RowGroupTask, 'rowStart' | 'rowEnd' | 'text' | 'columns' | 'where'>;

/** Decodes row groups in a worker thread; of a remote file the next one is fetched meanwhile. */
export class RowGroups {
  readonly #file: OpenFile;
  readonly #footer: Footer;
  readonly #columns: ReadonlySet<string>;
  readonly #last: number;
  #ahead: { readonly group: number; readonly parts: Promise<FilePart[]> } | undefined;

  /** @param last row group behind the last that will be asked for */
  constructor(file: OpenFile, footer: Footer, columns: ReadonlySet<string>, last: number) {
    this.#file = file;
    this.#footer = footer;
    this.#columns = columns;
    this.#last = last;
  }

  /** Rows in chunks. What its store throws passes; other errors are of the bytes, which were fetched twice then. */
  async decode(group: number, rows: WantedRows, signal: AbortSignal): Promise<RowChunk[]> {
    const { local, location, size, mtimeMs = 0 } = this.#file;
    if (local !== undefined) return run({ ...rows, size, from: { path: local, mtimeMs } }, [], signal);
    const key = `${location}\0${size}\0${this.#file.etag ?? ''}`;
    const attempt = (parts: FilePart[]): Promise<RowChunk[]> =>
      run(
        { ...rows, size, from: { key, tail: this.#footer.tail, parts } },
        parts.map(({ bytes }) => bytes.buffer),
        signal,
      );
    const parts = this.#ahead?.group === group ? this.#ahead.parts : this.#fetch(group);
    this.#ahead = undefined;
    const fetched = await parts;
    if (group + 1 < this.#last) {
      this.#ahead = { group: group + 1, parts: this.#fetch(group + 1) };
      // Whoever asks for that group hears of it.
      this.#ahead.parts.catch(() => {});
    }
    try {
      return await attempt(fetched);
    } catch (error) {
      if (signal.aborted) throw error;
      return attempt(await this.#fetch(group));
    }
  }

  async close(): Promise<void> {
    await this.#ahead?.parts.catch(() => {});
  }

  #fetch(group: number): Promise<FilePart[]> {
    return fetchParts(this.#file, chunkRanges(this.#footer.metadata, group, this.#columns));
  }
}

function run(task: RowGroupTask, move: readonly ArrayBuffer[], signal: AbortSignal): Promise<RowChunk[]> {
  return sharedPool().run<RowChunk[]>(WORKER, task, move, signal);
}
