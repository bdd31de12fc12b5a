import { closeSync, openSync, writeSync } from 'node:fs';
import { littleEndianBytes, uint32From } from '../../formats/littleEndian.ts';
import { PageCache } from '../../formats/pageCache.ts';
import { CorpusReader } from './corpusReader.ts';
import { PairList } from './pairs.ts';
import { type CorpusPart, type CorpusSettings, PAIR_BYTES } from './parts.ts';

/** A file of candidate pairs: runs, each in the order of the later document. */
export interface PairFile {
  readonly file: string;
  readonly runs: readonly number[];
}

export interface VerifyTask {
  readonly parts: readonly CorpusPart[];
  readonly settings: CorpusSettings;
  readonly candidates: readonly PairFile[];
  /** Pairs whose later document lies in [from, to). */
  readonly from: number;
  readonly to: number;
  /** Where the pairs that are alike go; must not exist. */
  readonly out: string;
}

export interface VerifyResult {
  /** Different pairs that shared a key. */
  readonly candidates: number;
  /** Those at least as similar as the threshold, or equal. */
  readonly alike: number;
}

/** Worker module: keeps those pairs of a range of documents that are alike. */
export default function verifyPairs({ parts, settings, candidates, from, to, out }: VerifyTask): VerifyResult {
  const pairs = new PairList();
  const files = new PageCache({ pages: 8 });
  const corpus = new CorpusReader(parts, settings);
  const target = openSync(out, 'wx');
  try {
    for (const { file, runs } of candidates) {
      let start = 0;
      for (const run of runs) {
        const base = start;
        const laterAt = (pair: number): number =>
          uint32From(files.range(file, PAIR_BYTES * (base + pair) + 4, PAIR_BYTES * (base + pair) + 8))[0] ?? 0;
        const [first, end] = [lowerBound(run, from, laterAt), lowerBound(run, to, laterAt)];
        if (end > first)
          pairs.addAll(uint32From(files.range(file, PAIR_BYTES * (base + first), PAIR_BYTES * (base + end))));
        start += run;
      }
    }
    const unique = pairs.take();
    let alike = 0;
    for (let i = 0; i < unique.length; i += 2) {
      const [earlier = 0, later = 0] = [unique[i], unique[i + 1]];
      if (corpus.similarity(earlier, later) < settings.threshold) continue;
      unique[2 * alike] = earlier;
      unique[2 * alike + 1] = later;
      alike++;
    }
    const bytes = littleEndianBytes(unique.subarray(0, 2 * alike));
    for (let done = 0; done < bytes.length; ) done += writeSync(target, bytes, done);
    return { candidates: unique.length / 2, alike };
  } finally {
    closeSync(target);
    files.close();
    corpus.close();
  }
}

function lowerBound(count: number, least: number, valueAt: (place: number) => number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (valueAt(middle) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
