import { readFileSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';
import type { UnionFind } from '../../src/lsh/unionFind.ts';

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

/** Over all pairs of documents that have five bytes: does one set mean one label? */
export function agreement(sets: UnionFind): { readonly precision: number; readonly recall: number } {
  const long = labelledDocuments().flatMap(({ text, cluster }, i) =>
    Buffer.byteLength(text) >= 5 ? [{ cluster, set: sets.find(i) }] : [],
  );
  let [together, alike, both] = [0, 0, 0];
  for (const [i, a] of long.entries()) {
    for (const b of long.slice(i + 1)) {
      if (a.set === b.set) together++;
      if (a.cluster === b.cluster) alike++;
      if (a.set === b.set && a.cluster === b.cluster) both++;
    }
  }
  return { precision: both / together, recall: both / alike };
}
