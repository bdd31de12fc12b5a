import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileLines } from '../formats/fileChunks.ts';
import { DEDUP_REPORT_FORMAT, DUPLICATES_FORMAT } from '../formats/names.ts';
import type { Artefact } from '../sinks/artefact.ts';

/** What an output says of duplicates. */
export interface DedupInspection {
  readonly duplicates: number;
  readonly exact: number;
  /** Duplicates by their similarity to the document that is kept, in steps of 0.05. */
  readonly similarity: Readonly<Record<string, number>>;
  /** Clusters by how many documents they have; absent where splits were deduplicated each by itself. */
  readonly cluster_sizes?: Readonly<Record<string, number>>;
}

const STEPS = 20;

/** Counts similarities in steps of 0.05. */
export class SimilarityHistogram {
  readonly #steps = new Array<number>(STEPS + 1).fill(0);
  count = 0;
  exact = 0;

  /** Takes a line of a file of duplicates. */
  add(line: string): void {
    const { similarity, kind } = JSON.parse(line) as { similarity: number; kind: string };
    const step = Math.floor(similarity * STEPS);
    this.#steps[step] = (this.#steps[step] ?? 0) + 1;
    if (kind === 'exact') this.exact++;
    this.count++;
  }

  /** Where a step begins, and what lies in it; empty ones are left out. */
  get steps(): Record<string, number> {
    const named = this.#steps.map((found, step) => [(step / STEPS).toFixed(2), found] as const);
    return Object.fromEntries(named.filter(([, found]) => found > 0));
  }
}

/** Reads the report of a corpus, or else the duplicates of all splits. */
export async function dedupOf(root: string, artefacts: readonly Artefact[]): Promise<{ dedup?: DedupInspection }> {
  const of = (format: string): string[] =>
    artefacts.filter(({ info }) => info.format === format).map((artefact) => path.join(root, artefact.path));
  const [report] = of(DEDUP_REPORT_FORMAT);
  if (report !== undefined) return { dedup: JSON.parse(await readFile(report, 'utf8')) };
  const files = of(DUPLICATES_FORMAT);
  if (files.length === 0) return {};
  const histogram = new SimilarityHistogram();
  for (const file of files) for await (const line of fileLines(file)) histogram.add(line);
  return { dedup: { duplicates: histogram.count, exact: histogram.exact, similarity: histogram.steps } };
}
