import { requireOptions } from '../knownOptions.ts';
import { type DataFormat, dataFormatOf } from '../storage/hub/dataset/dataFormats.ts';
import { type DatasetFiles, type DatasetOptions, datasetFiles } from '../storage/hub/dataset/dataset.ts';
import { hubLocation, requireRepository } from '../storage/hub/location.ts';
import { HubReader } from '../storage/hub/reader.ts';
import { REMOTE_OPTIONS, type RemoteOptions } from '../storage/remoteOptions.ts';
import { Stores } from '../storage/stores.ts';
import { ARROW_LIMITS, type ArrowLimits, arrowConfig, arrowFormat } from './arrow.ts';
import { type Columns, parseTable, type RowDocument, TABLE_OPTIONS, type TableOptions, tableJson } from './columns.ts';
import { CSV_OPTIONS, type CsvSettings, csvConfig, csvFormat, csvJson } from './csv.ts';
import { type Format, fileSource } from './file-source.ts';
import { JSON_OPTIONS, type JsonSettings, jsonConfig, jsonFormat } from './json.ts';
import { jsonlFormat } from './jsonl.ts';
import type { Listing } from './list.ts';
import { PARQUET_LIMITS, type ParquetLimits, parquetConfig, parquetFormat } from './parquet.ts';
import type { Row } from './row-chunks.ts';
import type { PlanContext, Source } from './source.ts';

export interface HfOptions<C extends Columns, T extends string>
  extends TableOptions<C, T>,
    DatasetOptions,
    JsonSettings,
    CsvSettings,
    ParquetLimits,
    ArrowLimits {
  /** How the Hub is reached: token, endpoint, cache. Default: the environment, as Python's `huggingface_hub` reads it. */
  readonly remote?: RemoteOptions | undefined;
}

const OPTIONS = {
  ...TABLE_OPTIONS,
  ...JSON_OPTIONS,
  ...CSV_OPTIONS,
  ...PARQUET_LIMITS,
  ...ARROW_LIMITS,
  config: true,
  split: true,
  revision: true,
  files: true,
  remote: REMOTE_OPTIONS,
} as const;

/**
 * A split of a dataset on the Hugging Face Hub. Its files are found as Python's `datasets` finds them: the dataset's own
 * Parquet, else the Hub's Parquet copy of it (with a warning where that is partial), else JSON, CSV or Arrow IPC files.
 *
 * The revision becomes a commit when the run is planned, and the run keeps to it. Parquet files are streamed by the needed
 * columns of the needed row groups; with `remote: { cache: true }` files are fetched whole into the cache that Python uses
 * too, and verified by their hashes, before they are read. What the cache already has is never fetched. Only then is
 * every byte verified: of a part of a file there is no hash, but its size, its entity tag, its pages' checksums (where it has
 * them) and its compression are checked.
 *
 * `uri` is the path within the dataset, `id` the id column or `<path>#<row>`.
 *
 *     hf('HuggingFaceFW/fineweb-edu', { config: 'sample-10BT', columns: { id: 'string', text: 'string' } })
 *
 * Environment: `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`.
 *
 * @throws PipelineError for a wrong declaration of columns; SourceError `BAD_REPOSITORY`; at plan time `NO_CONFIG`, `NO_SPLIT`,
 * `NO_FILES`, `NOT_AUTHORISED`, `FORBIDDEN`, `NOT_FOUND`, `OFFLINE`, `NETWORK` ...; while reading `INPUT_CHANGED`,
 * `CORRUPT_DOWNLOAD`, `NETWORK` ...: a run that stops for the network is resumed by running it again. Rejects: docs/rejects.md.
 */
export function hf<const C extends Columns = Record<never, never>, const T extends string = 'text'>(
  repository: string,
  options: HfOptions<C, T> = {},
): Source<RowDocument<C, T>> {
  requireOptions('hf', options, OPTIONS);
  requireRepository(repository);
  const { config, split, revision = 'main', files, remote = {} } = options;
  const table = parseTable(options);
  const json = jsonConfig(table, options);
  const csv = csvConfig(table, options);
  const parquet = parquetConfig(table, options);
  const arrow = arrowConfig(table, options);
  const formats: Readonly<Record<DataFormat, Format<Row>>> = {
    parquet: parquetFormat(parquet),
    jsonl: jsonlFormat(json),
    json: jsonFormat(json),
    csv: csvFormat(csv),
    arrow: arrowFormat(arrow),
  };
  let reader: HubReader | undefined;
  const open = (): HubReader => {
    reader ??= new HubReader(remote);
    return reader;
  };
  const named = files === undefined ? null : [files].flat();
  const source = fileSource<Row>({
    kind: 'hf',
    inputs: `hf://datasets/${repository}`,
    list: { remote },
    options: {
      config: config ?? null,
      split: split ?? null,
      revision,
      files: named,
      ...tableJson(table),
      ...csvJson(csv),
      at: json.at?.join('.') ?? null,
      maxRecordBytes: json.maxRecordBytes,
      maxRowGroupBytes: parquet.maxRowGroupBytes,
      maxBatchBytes: arrow.maxBatchBytes,
    },
    formats: Object.values(formats),
    formatOf: (uri) => formats[dataFormatOf(uri) ?? 'parquet'],
    otherwise: formats.parquet,
    stores: new Stores(remote, { hf: { open: (file, signal) => open().open(file, signal) } }),
    listing: async (context) => {
      const found = await datasetFiles(open(), repository, { config, split, revision, files }, context.signal);
      return listed(found, context);
    },
  });
  // The table was checked against the declaration `C`, and every row against the table.
  return source as Source<RowDocument<C, T>>;
}

function listed({ repository, commit, files, warnings }: DatasetFiles, context: PlanContext): Listing {
  for (const warning of warnings) context.warn?.(warning);
  const [first] = files;
  // All lie under one commit: that of the dataset, or that of the Hub's copy.
  const root = first === undefined ? '' : first.file.location.slice(0, -first.path.length - 1);
  return {
    root,
    // The Hub's copy has nothing beside its tables.
    base: hubLocation({ repository, revision: commit, path: '' }),
    files: (async function* () {
      for (const { file, path } of files) yield { ...file, uri: path };
    })(),
  };
}
