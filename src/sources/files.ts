import type { Document } from '../records.ts';
import { type Columns, parseTable, type TableOptions, tableJson } from './columns.ts';
import { fileSource } from './file-source.ts';
import { isJsonl, type JsonlLimits, jsonlConfig, jsonlFormat } from './jsonl.ts';
import type { Inputs, ListOptions } from './list.ts';
import { isParquet, type ParquetLimits, parquetConfig, parquetFormat } from './parquet.ts';
import { plainFormat } from './plain.ts';
import type { Source } from './source.ts';
import { isTar, type TarLimits, tarConfig, tarFormat } from './tar.ts';
import { isZip, type ZipLimits, zipFormat } from './zip.ts';

export interface FilesOptions
  extends TableOptions<Columns, string>,
    ListOptions,
    JsonlLimits,
    ParquetLimits,
    TarLimits,
    ZipLimits {}

/**
 * Files of any kind, each read by what its name says: `.jsonl`, `.ndjson` (also `.gz`, `.zst`) as `jsonl` does,
 * `.parquet` as `parquet`, `.tar`, `.tar.gz`, `.tgz`, `.tar.zst` as `tar`, `.zip` as `zip`, everything else as `folder`: one document each.
 *
 * The options are those of all of them; `columns`, `text` and `id` count for tables alone.
 *
 *     files('corpus', { text: 'content' })
 *
 * @throws as `jsonl`, `parquet`, `tar`, `zip` and `folder`.
 */
export function files(path: Inputs, options: FilesOptions = {}): Source<Document> {
  const table = parseTable(options);
  const jsonlSetup = jsonlConfig(table, options);
  const parquetSetup = parquetConfig(table, options);
  const tarSetup = tarConfig(options);
  const jsonl = jsonlFormat(jsonlSetup);
  const parquet = parquetFormat(parquetSetup);
  const tar = tarFormat(tarSetup);
  const zip = zipFormat(tarSetup);
  const plain = plainFormat(tarSetup.maxDocumentBytes);
  return fileSource<Document>({
    kind: 'files',
    inputs: path,
    list: options,
    options: {
      ...tableJson(table),
      ...tarSetup,
      maxRecordBytes: jsonlSetup.maxRecordBytes,
      maxRowGroupBytes: parquetSetup.maxRowGroupBytes,
    },
    formats: [jsonl, parquet, tar, zip, plain],
    formatOf: (uri) => (isJsonl(uri) ? jsonl : isParquet(uri) ? parquet : isTar(uri) ? tar : isZip(uri) ? zip : plain),
    otherwise: plain,
  });
}
