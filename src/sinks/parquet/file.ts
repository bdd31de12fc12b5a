import type { CompressionCodec } from 'hyparquet';
import { ByteWriter, type KeyValue, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { sharedPool, workerModule } from '../../run/pool.ts';
import { version } from '../../run/version.ts';
import type { Artefact, ArtefactFile } from '../artefact.ts';
import { coalesced } from '../chunkList.ts';
import { type StoredColumn, schemaOf } from '../table/columns.ts';
import type { PackedRows } from '../table/packedRows.ts';
import type { EncodedRowGroup, RowGroupTask } from './rowGroupWorker.ts';

const WORKER = workerModule(import.meta.url, './rowGroupWorker');

/** A Parquet file that is written row group by row group; of those written it keeps the table of contents alone. */
export class ParquetFile {
  readonly #file: ArtefactFile;
  readonly #columns: readonly StoredColumn[];
  readonly #codec: CompressionCodec;
  /** What does not come out of the worker: the magic number, and what the file ends with. */
  readonly #frame = new ByteWriter();
  readonly #parquet: ParquetWriter;

  constructor(
    file: ArtefactFile,
    columns: readonly StoredColumn[],
    codec: CompressionCodec,
    metadata: readonly KeyValue[],
  ) {
    this.#file = file;
    this.#columns = columns;
    this.#codec = codec;
    const schema: SchemaElement[] = [{ name: 'schema', num_children: columns.length }, ...columns.flatMap(schemaOf)];
    this.#parquet = new ParquetWriter({
      writer: this.#frame,
      schema,
      kvMetadata: [...metadata],
      createdBy: `sluice version ${version}`,
    });
  }

  /** Encodes a row group in a worker thread and writes it. */
  async add(group: PackedRows): Promise<void> {
    await this.#writeFrame();
    const { values, buffers } = group.take();
    const task: RowGroupTask = { columns: this.#columns, values, codec: this.#codec, offset: this.#frame.offset };
    const encoded = await sharedPool().run<EncodedRowGroup>(WORKER, task, buffers);
    for (const chunk of coalesced(encoded.chunks)) await this.#file.write(chunk);
    this.#frame.offset += encoded.bytes;
    this.#parquet.row_groups.push(encoded.metadata);
    this.#parquet.num_rows += encoded.metadata.num_rows;
    this.#parquet.pendingIndexes.push(...encoded.indexes);
  }

  async publish(info: Artefact['info']): Promise<void> {
    await this.#parquet.finish();
    await this.#writeFrame();
    await this.#file.publish(info);
  }

  async #writeFrame(): Promise<void> {
    if (this.#frame.index === 0) return;
    await this.#file.write(this.#frame.getBytes());
    this.#frame.index = 0;
  }
}
