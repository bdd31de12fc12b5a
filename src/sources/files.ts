import { requireOptions } from '../knownOptions.ts';
import type { Document } from '../records.ts';
import { ARROW_LIMITS, type ArrowLimits, arrowConfig, arrowFormat, isArrow } from './arrow.ts';
import { type Columns, parseTable, TABLE_OPTIONS, type TableOptions, tableJson } from './columns.ts';
import { CSV_OPTIONS, type CsvSettings, csvConfig, csvFormat, csvJson, isCsv } from './csv.ts';
import { type Format, fileSource } from './file-source.ts';
import { isJson, JSON_OPTIONS, type JsonSettings, jsonConfig, jsonFormat } from './json.ts';
import { isJsonl, jsonlFormat } from './jsonl.ts';
import { type Inputs, LIST_OPTIONS, type ListOptions } from './list.ts';
import { isParquet, PARQUET_LIMITS, type ParquetLimits, parquetConfig, parquetFormat } from './parquet.ts';
import { plainFormat } from './plain.ts';
import type { Source } from './source.ts';
import { isTar, TAR_LIMITS, type TarLimits, tarConfig, tarFormat } from './tar.ts';
import { isZip, ZIP_LIMITS, type ZipLimits, zipFormat } from './zip.ts';

export interface FilesOptions
  extends TableOptions<Columns, string>,
    ListOptions,
    JsonSettings,
    CsvSettings,
    ParquetLimits,
    ArrowLimits,
    TarLimits,
    ZipLimits {}

const OPTIONS = {
  ...TABLE_OPTIONS,
  ...LIST_OPTIONS,
  ...JSON_OPTIONS,
  ...CSV_OPTIONS,
  ...PARQUET_LIMITS,
  ...ARROW_LIMITS,
  ...TAR_LIMITS,
  ...ZIP_LIMITS,
} as const;

const USUAL_TEXT = 'text';

/**
 * Files of any kind, each read by what its name says:
 *
 * - tables: `.jsonl`, `.ndjson` as `jsonl` does, `.json` as `json`, `.csv`, `.tsv` as `csv` (all of them also `.gz`, `.zst`),
 *   `.parquet` as `parquet`, `.arrow`, `.arrows`, `.feather`, `.ipc` as `arrow`;
 * - archives: `.tar`, `.tar.gz`, `.tgz`, `.tar.zst` as `tar`, `.zip` as `zip`;
 * - everything else as `folder`: one document each.
 *
 * The options are those of all of them; `columns`, `text`, `id` and `where` count for tables alone. Where none of these is
 * given but `text: 'text'`, JSON and CSV files are tables only if they have that column; others, such as settings, are
 * documents.
 *
 *     files('corpus', { text: 'content' })
 *
 * @throws as all of these.
 */
export function files(path: Inputs, options: FilesOptions = {}): Source<Document> {
  requireOptions('files', options, OPTIONS);
  const table = parseTable(options);
  const jsonSetup = jsonConfig(table, options);
  const csvSetup = csvConfig(table, options);
  const parquetSetup = parquetConfig(table, options);
  const arrowSetup = arrowConfig(table, options);
  const tarSetup = tarConfig(options);
  const plain = plainFormat(tarSetup.maxDocumentBytes);
  const { columns, text = USUAL_TEXT, id, where } = options;
  // Whoever names columns means tables, and hears of those that do not have them.
  const named = text !== USUAL_TEXT || [columns, id, where].some((given) => given !== undefined);
  const otherwise = named ? undefined : plain;
  const kinds: readonly (readonly [(uri: string) => boolean, Format<Document>])[] = [
    [isJsonl, jsonlFormat(jsonSetup)],
    [isJson, jsonFormat(jsonSetup, otherwise)],
    [isCsv, csvFormat(csvSetup, otherwise)],
    [isParquet, parquetFormat(parquetSetup)],
    [isArrow, arrowFormat(arrowSetup)],
    [isTar, tarFormat(tarSetup)],
    [isZip, zipFormat(tarSetup)],
    [() => true, plain],
  ];
  return fileSource<Document>({
    kind: 'files',
    inputs: path,
    list: options,
    options: {
      ...tableJson(table),
      ...csvJson(csvSetup),
      ...tarSetup,
      at: jsonSetup.at ?? null,
      maxRecordBytes: jsonSetup.maxRecordBytes,
      maxRowGroupBytes: parquetSetup.maxRowGroupBytes,
      maxBatchBytes: arrowSetup.maxBatchBytes,
    },
    formats: kinds.map(([, format]) => format),
    formatOf: (uri) => kinds.find(([is]) => is(uri))?.[1] ?? plain,
    otherwise: plain,
  });
}
