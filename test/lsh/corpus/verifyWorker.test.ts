import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { littleEndianBytes } from '../../../src/formats/littleEndian.ts';
import type { CorpusSettings } from '../../../src/lsh/corpus/parts.ts';
import verifyPairs, { type PairFile } from '../../../src/lsh/corpus/verifyWorker.ts';
import { jaccard } from '../../../src/lsh/jaccard.ts';
import { randomNumbers } from '../texts.ts';
import { cut, inOrder, pairsIn, ranges, temporaryFolder } from './folder.ts';
import { SETTINGS, shortSignature, writeCorpus } from './writeCorpus.ts';

type Pair = readonly [number, number];

const DOCUMENTS = 24;

/** Variants of three texts of 60 bytes: the same, or with a few bytes changed. */
const texts = Array.from({ length: DOCUMENTS }, (_, i) => {
  const family = randomNumbers(i % 3);
  const own = randomNumbers(100 + i);
  const text = Uint8Array.from({ length: 60 }, () => 97 + (family() % 26));
  for (let changes = i % 4; changes > 0; changes--) text[own() % 60] = 65 + (own() % 26);
  return text;
});

function similarity(a: Uint8Array, b: Uint8Array, settings: CorpusSettings): number {
  if (Buffer.compare(a, b) === 0) return 1;
  if (!settings.near) return 0;
  if (settings.verify === 'jaccard') return jaccard(a, b, settings.shingle);
  const [first, second] = [shortSignature(a, settings), shortSignature(b, settings)];
  return first.filter((value, i) => value === second[i]).length / settings.components;
}

const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 });
const pair = fc
  .uniqueArray(fc.nat(DOCUMENTS - 1), { minLength: 2, maxLength: 2 })
  .map(([a = 0, b = 0]): Pair => [Math.min(a, b), Math.max(a, b)]);

describe.each<[string, Partial<CorpusSettings>]>([
  ['by their signatures', {}],
  ['by their texts', { verify: 'jaccard' }],
  ['by their bytes', { near: false }],
])('verifyPairs, documents compared %s', (_, given) => {
  const settings: CorpusSettings = { ...SETTINGS, ...given };

  it('keeps the pairs that are alike, each once, however runs, files and tasks are cut', () => {
    const { newFile } = temporaryFolder();
    const documents = texts.map((text, i) => ({ id: `${i}`, text }));
    const parts = writeCorpus(cut(documents, [0.2, 0.2, 0.9]), settings, newFile);
    const isAlike = ([a, b]: Pair): boolean =>
      similarity(texts[a] ?? new Uint8Array(0), texts[b] ?? new Uint8Array(0), settings) >= settings.threshold;
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 40 }), fractions, fractions, fractions, (pairs, files, runs, tasks) => {
        const candidates = cut(pairs, files).map((own): PairFile => {
          const file = newFile();
          const inRuns = cut(own, runs).map(inOrder);
          writeFileSync(file, littleEndianBytes(Uint32Array.from(inRuns.flat(2))));
          return { file, runs: inRuns.map((run) => run.length) };
        });
        const unique = inOrder(pairs);
        let [found, alike] = [0, 0];
        const kept = ranges(DOCUMENTS, tasks).flatMap(([from, to]) => {
          const out = newFile();
          const result = verifyPairs({ parts, settings, candidates, from, to, out });
          found += result.candidates;
          alike += result.alike;
          const own = pairsIn(out);
          expect(own.every(([, later]) => later >= from && later < to)).toBe(true);
          return own;
        });
        expect(kept).toEqual(unique.filter(isAlike));
        expect([found, alike]).toEqual([unique.length, kept.length]);
      }),
      { numRuns: 60 },
    );
    const all = texts.flatMap((_text, b) => texts.slice(0, b).map((_other, a): Pair => [a, b]));
    expect(all.some(isAlike) && !all.every(isAlike)).toBe(true);
  });
});

describe('verifyWorker', () => {
  it('tells of a file of candidates that was cut short, and of pairs of documents that do not exist', () => {
    const { newFile } = temporaryFolder();
    const parts = writeCorpus([[{ id: 'a', text: Buffer.from('text') }]], SETTINGS, newFile);
    const file = newFile();
    writeFileSync(file, littleEndianBytes(Uint32Array.of(0, 5)));
    const verify = (runs: readonly number[]) => () =>
      verifyPairs({ parts, settings: SETTINGS, candidates: [{ file, runs }], from: 0, to: 9, out: newFile() });
    expect(verify([2])).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ code: 'DAMAGED', path: file }) }),
    );
    expect(verify([1])).toThrow('No part of the corpus holds document 5');
  });
});
