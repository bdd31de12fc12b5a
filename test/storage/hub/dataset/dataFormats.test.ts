import { expect, it } from 'vitest';
import { isCsv } from '../../../../src/sources/csv.ts';
import { isJson } from '../../../../src/sources/json.ts';
import { isJsonl } from '../../../../src/sources/jsonl.ts';
import { isParquet } from '../../../../src/sources/parquet.ts';
import { dataFormatOf } from '../../../../src/storage/hub/dataset/dataFormats.ts';

it.each([
  ['a.parquet', 'parquet'],
  ['a.PQ', 'parquet'],
  ['a.jsonl.zst', 'jsonl'],
  ['a.ndjson', 'jsonl'],
  ['a.json.gz', 'json'],
  ['a.tsv', 'csv'],
  ['a.csv.gz', 'csv'],
  ['a.arrow', 'arrow'],
  ['a.txt', undefined],
  ['a.parquet.gz', undefined],
  ['parquet', undefined],
  ['a.tar', undefined],
])('%s is read as %s, as the sources of these formats see it', (path, format) => {
  expect(dataFormatOf(path)).toBe(format);
  expect([isParquet(path), isJsonl(path), isJson(path), isCsv(path)]).toEqual(
    ['parquet', 'jsonl', 'json', 'csv'].map((one) => one === format),
  );
});
