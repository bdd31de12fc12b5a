import library from 'minhash';
import { describe, expect, it } from 'vitest';
import { packDocuments } from '../../src/lsh/documentBatch.ts';
import { similarity } from '../../src/lsh/signature.ts';
import { Signer, signatureAt } from '../../src/lsh/signer.ts';
import { labelledDocuments, labelledPairs } from './nearDuplicates.ts';

const COMPONENTS = 400;

describe('estimates', () => {
  it('agree with those of the npm package minhash', () => {
    const texts = new Map(labelledDocuments().map(({ id, text }) => [id, text]));
    // it knows characters only: the same as bytes where all are ASCII
    const isShort = (text = ''): boolean => text.length < 500 && Buffer.byteLength(text) === text.length;
    const short = labelledPairs().filter(({ a, b }) => isShort(texts.get(a)) && isShort(texts.get(b)));
    const pairs = short.filter((_, i) => i % Math.ceil(short.length / 8) === 0);
    expect(pairs.length).toBeGreaterThan(5);
    const peer = (text: string): InstanceType<typeof library.Minhash> => {
      const hash = new library.Minhash({ numPerm: COMPONENTS });
      for (let at = 0; at + 5 <= text.length; at++) hash.update(text.slice(at, at + 5));
      return hash;
    };
    for (const { a, b, jaccard } of pairs) {
      const [left = '', right = ''] = [texts.get(a), texts.get(b)];
      const signed = new Signer({ components: COMPONENTS }).sign(packDocuments([left, right]));
      const own = similarity(signatureAt(signed, 0) ?? [], signatureAt(signed, 1) ?? []);
      const other = peer(left).jaccard(peer(right));
      // both have a standard deviation of at most 0.025; five of their difference
      expect(Math.abs(own - other)).toBeLessThan(5 * Math.sqrt((2 * 0.25) / COMPONENTS));
      expect(Math.abs(own - jaccard)).toBeLessThan(4 * Math.sqrt((jaccard * (1 - jaccard)) / COMPONENTS) + 1e-9);
    }
  });
});
