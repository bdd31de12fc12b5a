import type { CompressionCodec } from 'hyparquet';
import type { Artefact } from '../artefact.ts';
import type { SinkContext } from '../sink.ts';
import type { Cell, StoredColumn } from '../table/columns.ts';
import { type Counts, Tally } from '../table/counts.ts';
import { PackedRows, rowBytes } from '../table/packedRows.ts';
import { ParquetFile } from './file.ts';

/** How rows are laid out in files. */
export interface TableLayout {
  readonly folder: string;
  readonly fileBytes: number;
  readonly rowGroupBytes: number;
  readonly codec: CompressionCodec;
}

/** What the rows of a table are. */
export interface Table {
  readonly format: string;
  readonly columns: readonly StoredColumn[];
  /** Counted for a row besides the bytes in it: its numbers, and the objects that stand for it while it is encoded. */
  readonly rowBytes: number;
  /** Entries of every file's key-value metadata besides `format` and `split`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** What is said of every file besides its format, split and counts. */
  readonly info?: Artefact['info'] | undefined;
}

/** Writes rows into files `<folder>/<split>-<n>.parquet`, row group by row group; a row is never divided. */
export class TableWriter<C extends Counts> {
  readonly #context: SinkContext;
  readonly #layout: TableLayout;
  readonly #table: Table;
  #group: PackedRows;
  #file: ParquetFile | undefined;
  #files = 0;
  #rows = 0;
  #bytes = 0;
  readonly #inFile: Tally<C>;
  readonly #all: Tally<C>;

  /** @param none what files count, all 0 */
  constructor(context: SinkContext, layout: TableLayout, table: Table, none: C) {
    this.#context = context;
    this.#layout = layout;
    this.#table = table;
    this.#group = new PackedRows(table.columns);
    this.#inFile = new Tally(none);
    this.#all = new Tally(none);
  }

  /** Adds a row, which it copies, and what it counts for. */
  async add(cells: readonly Cell[], counts: C): Promise<void> {
    const { fileBytes, rowGroupBytes } = this.#layout;
    const bytes = rowBytes(cells, this.#table.rowBytes);
    if (this.#rows > 0 && this.#bytes + bytes > fileBytes) await this.#close();
    else if (this.#group.rows > 0 && this.#group.bytes + bytes > rowGroupBytes) await this.#flush();
    this.#group.add(cells, bytes);
    this.#rows++;
    this.#bytes += bytes;
    this.#inFile.add(counts);
    this.#all.add(counts);
  }

  /** @returns what all rows count for */
  async finish(): Promise<C> {
    await this.#close();
    return this.#all.take();
  }

  async #flush(): Promise<void> {
    if (this.#group.rows === 0) return;
    const group = this.#group;
    this.#group = new PackedRows(this.#table.columns);
    this.#file ??= await this.#open();
    await this.#file.add(group);
  }

  async #open(): Promise<ParquetFile> {
    const { folder, codec } = this.#layout;
    const { id } = this.#context.split;
    const number = String(this.#files++).padStart(6, '0');
    const file = await this.#context.file(`${folder}/${id}-${number}.parquet`);
    return new ParquetFile(file, this.#table.columns, codec, [
      { key: 'format', value: this.#table.format },
      ...Object.entries(this.#table.metadata ?? {}).map(([key, value]) => ({ key, value })),
      { key: 'split', value: id },
    ]);
  }

  async #close(): Promise<void> {
    await this.#flush();
    const { format, info } = this.#table;
    await this.#file?.publish({ format, split: this.#context.split.id, ...info, ...this.#inFile.take() });
    this.#file = undefined;
    this.#rows = 0;
    this.#bytes = 0;
  }
}
