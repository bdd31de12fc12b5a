import { describe, expect, it } from 'vitest';
import { packDocuments } from '../../src/lsh/documentBatch.ts';
import { jaccard } from '../../src/lsh/jaccard.ts';
import { DEFAULT_SHINGLE, type Shingle } from '../../src/lsh/shingle.ts';
import { similarity } from '../../src/lsh/signature.ts';
import { Signer, signatureAt } from '../../src/lsh/signer.ts';
import { relatedTexts } from './texts.ts';

interface Errors {
  readonly bias: number;
  /** Root mean square error, divided by that of the theory: sqrt(mean of J (1 - J) / components). */
  readonly ratio: number;
}

/** Estimates against exact similarities, over pairs that share nothing with each other. */
function errorsOf(pairs: number, bytes: number, shingle: Shingle, components: number): Errors {
  const signer = new Signer({ shingle, components });
  let sum = 0;
  let squares = 0;
  let variance = 0;
  for (let i = 0; i < pairs; i++) {
    const texts = relatedTexts(i, bytes, (i % 50) / 100);
    const signed = signer.sign(packDocuments(texts));
    const exact = jaccard(...texts, shingle);
    const estimate = similarity(signatureAt(signed, 0) ?? [], signatureAt(signed, 1) ?? []);
    sum += estimate - exact;
    squares += (estimate - exact) ** 2;
    variance += (exact * (1 - exact)) / components;
  }
  return { bias: sum / pairs, ratio: Math.sqrt(squares / variance) };
}

describe('the estimate of signatures', () => {
  it.each<[number, number, Shingle, number]>([
    [2000, 2000, DEFAULT_SHINGLE, 100],
    [500, 2000, { of: 'bytes', length: 8 }, 100],
    [500, 2000, { of: 'bytes', length: 24 }, 100],
    [500, 2000, { of: 'bytes', length: 64 }, 100],
    [500, 2000, { of: 'bytes', length: 3 }, 40],
    [500, 6000, { of: 'words', length: 3 }, 100],
  ])('has the error of the theory: %i pairs of %i bytes, %j, %i components', (pairs, bytes, shingle, components) => {
    const { bias, ratio } = errorsOf(pairs, bytes, shingle, components);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
    // four standard deviations
    expect(Math.abs(bias)).toBeLessThan((4 * 0.5) / Math.sqrt(components * pairs));
  });

  it('has less for short documents, whose bins share shingles that are drawn without repetition', () => {
    const { bias, ratio } = errorsOf(1000, 200, DEFAULT_SHINGLE, 100);
    expect(ratio).toBeLessThan(1);
    expect(Math.abs(bias)).toBeLessThan(0.004);
  });

  it('is 1 for equal documents, and refuses signatures of different lengths', () => {
    const signed = new Signer().sign(packDocuments(['the same text', 'the same text']));
    expect(similarity(signatureAt(signed, 0) ?? [], signatureAt(signed, 1) ?? [])).toBe(1);
    expect(() => similarity([1, 2], [1])).toThrow(RangeError);
    expect(() => similarity([], [])).toThrow(RangeError);
  });
});
