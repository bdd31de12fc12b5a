/** A kind of file that rows are read from. */
export type DataFormat = 'parquet' | 'jsonl' | 'json' | 'csv' | 'arrow';

const NAMES: readonly (readonly [RegExp, DataFormat])[] = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.(jsonl|ndjson)(\.(gz|zst))?$/i, 'jsonl'],
  [/\.json(\.(gz|zst))?$/i, 'json'],
  [/\.(csv|tsv)(\.(gz|zst))?$/i, 'csv'],
  [/\.(arrow|feather|ipc)$/i, 'arrow'],
];

/** The format of a file by its name; undefined where rows cannot be read from it. */
export function dataFormatOf(path: string): DataFormat | undefined {
  return NAMES.find(([name]) => name.test(path))?.[1];
}

/** Formats that files of one split may have side by side, those that are preferred first. */
export const FORMAT_GROUPS: readonly (readonly DataFormat[])[] = [['parquet'], ['jsonl', 'json'], ['csv'], ['arrow']];
