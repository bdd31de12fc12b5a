import { sharedPool, workerModule } from '../../run/pool.ts';
import type { Artefact } from '../artefact.ts';
import { type DatabaseAnswer, requireDone } from '../hypergraph/failure.ts';
import type { SinkContext } from '../sink.ts';
import type { Cell } from '../table/columns.ts';
import { type Counts, Tally } from '../table/counts.ts';
import { PackedRows } from '../table/packedRows.ts';
import type { TableSpec } from './schema.ts';
import type { FilledTable, TableFileTask } from './tableFileWorker.ts';

const WORKER = workerModule(import.meta.url, './tableFileWorker');

export interface TableFileOptions {
  readonly dir: string;
  readonly fileBytes: number;
  /** Whether the files go when the run is complete. */
  readonly temporary: boolean;
}

/** What is in the files. */
export interface TableContent {
  readonly format: string;
  readonly tables: readonly TableSpec[];
  /** Rows of `meta` besides those of every file. */
  readonly meta?: Readonly<Record<string, string>> | undefined;
  /** What is said of a file besides its format, place and counts. */
  readonly info?: Artefact['info'] | undefined;
}

/** Gathers rows of some tables into databases `<dir>/<split>-<n>.db`, each of which a worker thread builds at once. */
export class TableFiles<C extends Counts> {
  readonly #context: SinkContext;
  readonly #options: TableFileOptions;
  readonly #content: TableContent;
  #tables: PackedRows[];
  #files = 0;
  #bytes = 0;
  readonly #inFile: Tally<C>;
  readonly #all: Tally<C>;

  /** @param none what files count, all 0 */
  constructor(context: SinkContext, options: TableFileOptions, content: TableContent, none: C) {
    this.#context = context;
    this.#options = options;
    this.#content = content;
    this.#tables = this.#empty();
    this.#inFile = new Tally(none);
    this.#all = new Tally(none);
  }

  /** Rows that a table has in the file at hand: the number of its next one. */
  rows(table: number): number {
    return this.#tables[table]?.rows ?? 0;
  }

  /** Whether so many bytes more would be too much for the file at hand. */
  isFull(bytes: number): boolean {
    return this.#bytes > 0 && this.#bytes + bytes > this.#options.fileBytes;
  }

  /** Counts bytes for rows to come. */
  reserve(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Adds a row, which it copies. */
  add(table: number, cells: readonly Cell[]): void {
    this.#tables[table]?.add(cells, 0);
  }

  count(counts: C): void {
    this.#inFile.add(counts);
    this.#all.add(counts);
  }

  /** @returns what everything counts for */
  async finish(): Promise<C> {
    await this.close();
    return this.#all.take();
  }

  #empty(): PackedRows[] {
    return this.#content.tables.map(({ columns }) => new PackedRows(columns));
  }

  /** Ends the file at hand. */
  async close(): Promise<void> {
    if (this.#tables.every(({ rows }) => rows === 0)) return;
    const taken = this.#tables;
    this.#tables = this.#empty();
    this.#bytes = 0;
    const { dir, temporary } = this.#options;
    const { format, tables: specs } = this.#content;
    const { id } = this.#context.split;
    const shard = this.#files++;
    const name = `${dir}/${id}-${String(shard).padStart(6, '0')}.db`;
    const file = await this.#context.file(name);
    const buffers: ArrayBuffer[] = [];
    const tables = specs.map((spec, i): FilledTable => {
      const packed = taken[i]?.take() ?? { values: [], buffers: [] };
      buffers.push(...packed.buffers);
      return { ...spec, rows: taken[i]?.rows ?? 0, values: packed.values };
    });
    const meta = { ...this.#content.meta, format, split: id, shard: String(shard) };
    const task: TableFileTask = { file: file.temporary, meta, tables };
    requireDone(await sharedPool().run<DatabaseAnswer<null>>(WORKER, task, buffers), name, file.temporary);
    const info = { format, split: id, shard, ...this.#content.info, ...this.#inFile.take() };
    await file.publish(temporary ? { ...info, temporary } : info);
  }
}
