import { closeSync, openSync } from 'node:fs';
import { fileLines } from '../../../formats/fileChunks.ts';
import { CorpusReader } from '../../../lsh/corpus/corpusReader.ts';
import { wordsOf } from '../../../lsh/corpus/wordsOf.ts';
import { writeWhole } from '../../../lsh/corpus/writeWhole.ts';
import { SimilarityHistogram } from '../../../report/dedupReport.ts';
import { crossing } from '../../../run/crossing.ts';
import { type Corpus, readCorpus } from './indexFile.ts';

export interface ReportTask {
  /** Folder of the index. */
  readonly folder: string;
  /** Files of duplicates, in the order of the splits. */
  readonly duplicates: readonly string[];
  /** Where all duplicates go; must not exist. */
  readonly duplicatesOut?: string | undefined;
  /** Where clusters go; must not exist. */
  readonly clustersOut: string;
}

export interface ReportNumbers {
  readonly documents: number;
  readonly kept: number;
  readonly duplicates: number;
  readonly exact: number;
  /** Clusters of two or more documents. */
  readonly clusters: number;
  readonly largest_cluster: number;
  /** Clusters by how many documents they have: 2, 3-4, 5-8, ... */
  readonly cluster_sizes: Readonly<Record<string, number>>;
  /** Duplicates by their similarity to the document that is kept, in steps of 0.05; `1.00` are those of 1. */
  readonly similarity: Readonly<Record<string, number>>;
}

const WRITE_BYTES = 256 << 10;

/**
 * Worker module: all duplicates in one file, `clusters.jsonl` (cluster, id of the document that is kept, number of
 * documents), and what a report says. Takes 4 bytes for each document of the corpus.
 */
export default function writeReport(task: ReportTask): Promise<ReportNumbers> {
  return crossing(() => write(task));
}

async function write(task: ReportTask): Promise<ReportNumbers> {
  const corpus = readCorpus(task.folder);
  const found = await gatherDuplicates(task);
  const sizes = sizesOf(corpus);
  const reader = new CorpusReader(corpus.parts, corpus.settings);
  const out = new LineFile(task.clustersOut);
  const byExponent = new Map<number, number>();
  let clusters = 0;
  let largest = 0;
  try {
    for (let document = 0; document < corpus.documents; document++) {
      const own = sizes[document] ?? 0;
      // of an earlier corpus, only the document that was kept counts
      const size = document < corpus.firstNew && own > 0 ? own + 1 : own;
      if (size < 2) continue;
      out.write(`${JSON.stringify({ cluster: document, id: reader.id(document), documents: size })}\n`);
      clusters++;
      largest = Math.max(largest, size);
      const exponent = Math.ceil(Math.log2(size));
      byExponent.set(exponent, (byExponent.get(exponent) ?? 0) + 1);
    }
  } finally {
    out.close();
    reader.close();
  }
  const documents = corpus.documents - corpus.firstNew;
  return {
    documents,
    kept: documents - found.count,
    duplicates: found.count,
    exact: found.exact,
    clusters,
    largest_cluster: largest,
    cluster_sizes: Object.fromEntries(
      [...byExponent].sort(([a], [b]) => a - b).map(([exponent, count]) => [rangeName(exponent), count]),
    ),
    similarity: found.steps,
  };
}

/** 2, 3-4, 5-8, 9-16: up to a power of two. */
function rangeName(exponent: number): string {
  return exponent === 1 ? '2' : `${2 ** (exponent - 1) + 1}-${2 ** exponent}`;
}

function sizesOf({ documents, roots }: Corpus): Uint32Array {
  const sizes = new Uint32Array(documents);
  for (const words of wordsOf(roots.at(-1) ?? '', 1)) for (const root of words) sizes[root] = (sizes[root] ?? 0) + 1;
  return sizes;
}

async function gatherDuplicates({ duplicates, duplicatesOut }: ReportTask): Promise<SimilarityHistogram> {
  const out = duplicatesOut === undefined ? undefined : new LineFile(duplicatesOut);
  const histogram = new SimilarityHistogram();
  try {
    for (const file of duplicates) {
      for await (const line of fileLines(file)) {
        out?.write(`${line}\n`);
        histogram.add(line);
      }
    }
  } finally {
    out?.close();
  }
  return histogram;
}

/** A new file that is written in pieces of 256 KiB. */
class LineFile {
  readonly #descriptor: number;
  #lines: string[] = [];
  #size = 0;

  constructor(file: string) {
    this.#descriptor = openSync(file, 'wx');
  }

  write(line: string): void {
    this.#lines.push(line);
    this.#size += line.length;
    if (this.#size >= WRITE_BYTES) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#descriptor);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#lines.join(''));
    writeWhole(this.#descriptor, bytes);
    this.#lines = [];
    this.#size = 0;
  }
}
