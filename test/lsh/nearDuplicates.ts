import { readFileSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';

/** The labelled set; see README.md beside it. */
const folder = new URL('../fixtures/near-duplicates/', import.meta.url);

export interface LabelledDocument {
  readonly id: string;
  readonly text: string;
  readonly cluster: number;
}

export interface LabelledPair {
  readonly a: string;
  readonly b: string;
  readonly jaccard: number;
}

const lines = (file: string): string[] =>
  zstdDecompressSync(readFileSync(new URL(file, folder)))
    .toString()
    .trimEnd()
    .split('\n');

export function labelledDocuments(): LabelledDocument[] {
  return lines('docs.jsonl.zst').map((line) => JSON.parse(line) as LabelledDocument);
}

/** All pairs above 0.3, by sets of five bytes. */
export function labelledPairs(): LabelledPair[] {
  return lines('pairs.tsv.zst')
    .slice(1)
    .map((line) => {
      const [a = '', b = '', jaccard = ''] = line.split('\t');
      return { a, b, jaccard: Number(jaccard) };
    });
}
