import { closeSync, openSync } from 'node:fs';
import { littleEndianBytes, uint32From } from '../../formats/littleEndian.ts';
import { PageCache } from '../../formats/pageCache.ts';
import { crossing } from '../../run/crossing.ts';
import { CorpusReader } from './corpusReader.ts';
import { lowerBound } from './lowerBound.ts';
import { PairList } from './pairs.ts';
import { type CorpusPart, type CorpusSettings, PAIR_BYTES } from './parts.ts';
import { writeWhole } from './writeWhole.ts';

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

/** Worker module: keeps those pairs of a range of documents that are alike. Errors: see {@link crossing}. */
export default function verifyPairs(task: VerifyTask): VerifyResult {
  return crossing(() => {
    const pairs = gathered(task).take();
    const alike = keepAlike(pairs, task);
    const target = openSync(task.out, 'wx');
    try {
      writeWhole(target, littleEndianBytes(pairs.subarray(0, 2 * alike)));
    } finally {
      closeSync(target);
    }
    return { candidates: pairs.length / 2, alike };
  });
}

function gathered({ candidates, from, to }: VerifyTask): PairList {
  const pairs = new PairList();
  const files = new PageCache();
  try {
    for (const { file, runs } of candidates) {
      let start = 0;
      for (const run of runs) {
        const base = start;
        const laterAt = (pair: number): number => {
          const at = PAIR_BYTES * (base + pair) + 4;
          return uint32From(files.range(file, at, at + 4))[0] ?? 0;
        };
        const [first, end] = [lowerBound(run, from, laterAt), lowerBound(run, to, laterAt)];
        if (end > first)
          pairs.addAll(uint32From(files.range(file, PAIR_BYTES * (base + first), PAIR_BYTES * (base + end))));
        start += run;
      }
    }
  } finally {
    files.close();
  }
  return pairs;
}

/** Moves the pairs that are alike to the front, and counts them. */
function keepAlike(pairs: Uint32Array, { parts, settings }: VerifyTask): number {
  const corpus = new CorpusReader(parts, settings);
  let alike = 0;
  try {
    for (let i = 0; i < pairs.length; i += 2) {
      const [earlier = 0, later = 0] = [pairs[i], pairs[i + 1]];
      if (corpus.similarity(earlier, later) < settings.threshold) continue;
      pairs[2 * alike] = earlier;
      pairs[2 * alike + 1] = later;
      alike++;
    }
  } finally {
    corpus.close();
  }
  return alike;
}
