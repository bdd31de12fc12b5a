import { describe, expect, it } from 'vitest';
import { BandIndex } from '../../src/lsh/bandIndex.ts';
import type { Banding } from '../../src/lsh/bands.ts';
import { packDocuments } from '../../src/lsh/documentBatch.ts';
import { candidateProbability } from '../../src/lsh/sCurve.ts';
import { keysAt, Signer, signatureAt } from '../../src/lsh/signer.ts';
import { UnionFind } from '../../src/lsh/unionFind.ts';
import { agreement, labelledDocuments, labelledPairs } from './nearDuplicates.ts';

const documents = labelledDocuments();
const pairs = labelledPairs();
const numbers = new Map(documents.map(({ id }, i) => [id, i]));

/** Pairs that share a band and look alike, and the clusters that they make. */
function deduplicated(banding: Banding): { readonly matched: ReadonlySet<string>; readonly sets: UnionFind } {
  const signed = new Signer({ banding }).sign(packDocuments(documents.map(({ text }) => text)));
  const index = new BandIndex({ banding });
  const sets = new UnionFind(documents.length);
  const matched = new Set<string>();
  for (const [i, { id }] of documents.entries()) {
    const signature = signatureAt(signed, i);
    if (signature === undefined) continue;
    for (const match of index.matches(signature, 0.5)) {
      matched.add([documents[match.id]?.id, id].sort().join());
      sets.join(match.id, i);
    }
    index.add(i, signature);
  }
  return { matched, sets };
}

describe.each([
  { bands: 25, rows: 4, recall: 0.91, found: 0.985 },
  { bands: 20, rows: 5, recall: 0.87, found: 0.944 },
])('the labelled set in $bands bands of $rows rows, verified and joined', ({ bands, rows, recall, found }) => {
  const { matched, sets } = deduplicated({ bands, rows });

  it('puts no documents together that are none, and most that are', () => {
    const measured = agreement(sets);
    expect(measured.precision).toBe(1);
    expect(measured.recall).toBeGreaterThanOrEqual(recall);
  });

  it('finds alike pairs: most from 0.55 on, all from 0.8 on', () => {
    const share = (least: number): number => {
      const alike = pairs.filter(({ jaccard }) => jaccard >= least);
      return alike.filter(({ a, b }) => matched.has([a, b].sort().join())).length / alike.length;
    };
    expect(share(0.55)).toBeGreaterThanOrEqual(found);
    expect(share(0.8)).toBe(1);
  });

  it('holds documents of fewer than five bytes for duplicates of nobody', () => {
    const short = documents.filter(({ text }) => Buffer.byteLength(text) < 5);
    expect(short.length).toBeGreaterThan(3);
    for (const { id } of short) expect([...matched].some((pair) => pair.split(',').includes(id))).toBe(false);
  });
});

describe('candidates by band keys', () => {
  it('are as many as the S-curve says, pair by pair', () => {
    const banding = { bands: 20, rows: 5 };
    const signed = new Signer({ banding }).sign(packDocuments(documents.map(({ text }) => text)));
    const keys = (id: string): readonly bigint[] => {
      const words = keysAt(signed, numbers.get(id) ?? -1) ?? new Uint32Array();
      return [...new BigUint64Array(words.slice().buffer)];
    };
    const candidates = pairs.filter(({ a, b }) => {
      const [left, right] = [keys(a), keys(b)];
      return left.some((key, band) => key === right[band]);
    });
    const expected = pairs.reduce((sum, { jaccard }) => sum + candidateProbability(jaccard, banding), 0);
    expect(candidates.length / expected).toBeGreaterThan(0.97);
    expect(candidates.length / expected).toBeLessThan(1.03);
  });
});
