import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packDocuments } from '../../src/lsh/documentBatch.ts';
import { similarity } from '../../src/lsh/signature.ts';
import { type SignedBatch, Signer, signatureAt } from '../../src/lsh/signer.ts';
import { meanSimilarity, similarityGroups } from '../../src/lsh/similarityGroups.ts';
import { labelledDocuments } from './nearDuplicates.ts';
import { randomBytes, relatedTexts } from './texts.ts';

const banding = { bands: 20, rows: 5 };
const signed = (texts: readonly (Uint8Array | string)[]): SignedBatch =>
  new Signer({ banding }).sign(packDocuments(texts));
const rootsOf = (batch: SignedBatch, threshold = 0.5): number[] => {
  const groups = similarityGroups(batch, threshold);
  return [...batch.signed.keys()].map((document) => groups.find(document));
};

/** Signatures of one component, which is the key of the only band too. */
function byHand(signatures: readonly (readonly number[])[], keys: readonly number[]): SignedBatch {
  return {
    components: signatures[0]?.length ?? 0,
    bands: 1,
    signed: new Uint8Array(keys.length).fill(1),
    signatures: Uint32Array.from(signatures.flat()),
    keys: Uint32Array.from(keys.flatMap((key) => [key, key])),
  };
}

describe('similarityGroups', () => {
  it('puts labelled documents of one cluster together, and no others', () => {
    const documents = labelledDocuments().filter(({ text }) => Buffer.byteLength(text) >= 5);
    const roots = rootsOf(signed(documents.map(({ text }) => text)));
    let [together, alike, both] = [0, 0, 0];
    for (const [i, a] of documents.entries()) {
      for (let j = i + 1; j < documents.length; j++) {
        const isTogether = roots[i] === roots[j];
        const isAlike = a.cluster === documents[j]?.cluster;
        if (isTogether) together++;
        if (isAlike) alike++;
        if (isTogether && isAlike) both++;
      }
    }
    expect(both).toBe(together);
    expect(both / alike).toBeGreaterThanOrEqual(0.87);
  });

  it('makes one group of equal documents and none of different ones, named by the first', () => {
    const text = randomBytes(1, 300);
    expect(new Set(rootsOf(signed(Array.from({ length: 3000 }, () => text))))).toEqual(new Set([0]));
    const different = Array.from({ length: 300 }, (_, i) => randomBytes(i + 2, 300));
    expect(rootsOf(signed(different))).toEqual([...different.keys()]);
  });

  it('joins what is alike the one before, where the first with the key is like neither', () => {
    const key = [7, 7, 7];
    expect(rootsOf(byHand([[1], [2], [2]], key))).toEqual([0, 1, 1]);
    expect(
      rootsOf(
        byHand(
          [
            [1, 1],
            [2, 1],
            [2, 3],
          ].map((one) => [...one]),
          key,
        ),
        0.5,
      ),
    ).toEqual([0, 0, 0]);
    expect(rootsOf(byHand([[1], [1], [1]], [5, 6, 5]))).toEqual([0, 1, 0]);
  });

  it('leaves documents shorter than a shingle alone', () => {
    expect(rootsOf(signed(['abcd', 'abcd', '', '', 'abcdef', 'abcdef']))).toEqual([0, 1, 2, 3, 4, 4]);
  });

  it('joins only what shares a band and is alike, directly or through others', () => {
    const texts = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 0.02, 0.1, 0.4)), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(texts, fc.constantFrom(0.3, 0.5, 0.8), (made, threshold) => {
        const batch = signed(made.map(([seed, edits]) => relatedTexts(seed, 400, edits)[1]));
        const roots = rootsOf(batch, threshold);
        for (const [document, root] of roots.entries()) {
          expect(root).toBeLessThanOrEqual(document);
          if (!roots.some((other, i) => i !== document && other === root)) continue;
          const friends = roots.flatMap((other, i) => (other === root && i !== document ? [i] : []));
          const own = signatureAt(batch, document) ?? [];
          expect(friends.some((i) => similarity(own, signatureAt(batch, i) ?? []) >= threshold)).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('meanSimilarity', () => {
  const texts = Array.from({ length: 60 }, (_, i) => relatedTexts(1 + (i % 3), 500, 0.05 * (i % 4))[1]);
  const batch = signed([...texts, 'abc']);
  const mean = (documents: readonly number[]): number => {
    const all = documents.flatMap((a, i) =>
      documents.slice(i + 1).map((b) => similarity(signatureAt(batch, a) ?? [], signatureAt(batch, b) ?? [])),
    );
    return all.reduce((sum, one) => sum + one, 0) / all.length;
  };

  it('is the mean over all pairs of few documents, and near it for many', () => {
    const few = [...texts.keys()].slice(0, 32);
    expect(meanSimilarity(batch, few)).toBeCloseTo(mean(few), 12);
    const all = [...texts.keys()];
    expect(Math.abs((meanSimilarity(batch, all) ?? 0) - mean(all))).toBeLessThan(0.05);
    expect(meanSimilarity(batch, all)).toBe(meanSimilarity(batch, all));
  });

  it('counts 0 for a document shorter than a shingle, and says nothing of a single one', () => {
    expect(meanSimilarity(batch, [0, 60])).toBe(0);
    expect(meanSimilarity(batch, [3])).toBeUndefined();
  });
});
