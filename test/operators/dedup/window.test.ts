import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packDocuments } from '../../../src/lsh/documentBatch.ts';
import { Signer, signatureAt } from '../../../src/lsh/signer.ts';
import { type DedupOptions, dedupSettings } from '../../../src/operators/dedup/settings.ts';
import { Window, type WindowDocument } from '../../../src/operators/dedup/window.ts';
import { halfLimits, idBytes } from '../../../src/operators/dedup/windowSize.ts';
import { randomBytes, randomNumbers } from '../../lsh/texts.ts';

const signer = new Signer();

/** A document of its own kind for each content; its hash is any that tells it from others. */
function documentOf(content: number, ordinal: number, part: Partial<WindowDocument> = {}): WindowDocument {
  const bytes = randomBytes(content + 1, 60);
  const signature = signatureAt(signer.sign(packDocuments([bytes])), 0);
  return { id: `d${ordinal}`, ordinal, hash: Uint32Array.of(content, 1, 2, content << 20), signature, bytes, ...part };
}

const windowOf = (options: DedupOptions): Window => new Window(dedupSettings(options));

/** The older half is forgotten when the younger one is full; a copy counts where its original is in the older half. */
function plainVerdicts(contents: readonly number[], half: number): (number | undefined)[] {
  let [old, young] = [new Map<number, number>(), new Map<number, number>()];
  return contents.map((content, ordinal) => {
    const recent = young.get(content);
    if (recent !== undefined) return recent;
    const earlier = old.get(content);
    if (young.size === half) [old, young] = [young, new Map()];
    young.set(content, earlier ?? ordinal);
    return earlier;
  });
}

describe('the window', () => {
  it.each([true, false])('finds copies among the latest documents (near: %s)', (near) => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { maxLength: 80 }), fc.integer({ min: 2, max: 9 }), (contents, documents) => {
        const window = windowOf({ near, window: { documents } });
        const found = contents.map((content, ordinal) => {
          const { signature, ...document } = documentOf(content, ordinal);
          const verdict = window.place({ ...document, signature: near ? signature : undefined });
          expect(window.documents).toBeLessThanOrEqual(documents);
          return verdict;
        });
        const expected = plainVerdicts(contents, Math.floor(documents / 2));
        expect(found.map((verdict) => verdict?.cluster)).toEqual(expected);
        expect(found.every((verdict) => verdict === undefined || verdict.kind === 'exact')).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('knows a document until half a window of different ones have come behind it or its last copy', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 200 }), fc.integer({ min: 1, max: 12 }), (contents, half) => {
        const window = windowOf({ window: { documents: 2 * half } });
        for (const [ordinal, content] of contents.entries()) {
          const isNew = window.place(documentOf(content, ordinal)) === undefined;
          const last = contents.lastIndexOf(content, ordinal - 1);
          if (ordinal === 0 || last === -1) expect(isNew).toBe(true);
          else if (new Set(contents.slice(last + 1, ordinal)).size < half) expect(isNew).toBe(false);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('knows a document for as long as copies of it keep coming', () => {
    const window = windowOf({ window: { documents: 10 } });
    window.place(documentOf(0, 0));
    for (let ordinal = 1; ordinal < 100; ordinal++) {
      window.place(documentOf(ordinal, ordinal));
      if (ordinal % 4 === 0) expect(window.place(documentOf(0, 1000 + ordinal))?.duplicate_of).toBe('d0');
    }
    for (let ordinal = 100; ordinal < 110; ordinal++) window.place(documentOf(ordinal, ordinal));
    expect(window.place(documentOf(0, 2000))).toBeUndefined();
  });

  it.each([
    { verify: 'signature', bytes: 141_000, longest: 20_000, largest: 100 },
    { verify: 'jaccard', bytes: 4.4e6, longest: 100, largest: 700_000 },
  ] as const)('never exceeds its bytes, and forgets early for long ids or contents ($verify)', (limits) => {
    const { verify, bytes, longest, largest } = limits;
    const settings = dedupSettings({ verify, window: { documents: 18, bytes } });
    const half = halfLimits(settings.window, settings);
    const window = new Window(settings);
    const next = randomNumbers(5);
    const counts = Array.from({ length: 300 }, (_, ordinal) => {
      const part = { id: 'x'.repeat(next() % longest), bytes: new Uint8Array(next() % largest) };
      window.place(documentOf(next() % 1000, ordinal, part));
      // a half may refer to one kept document whose id is longer than that of the last one that it has taken
      expect(window.bytes).toBeLessThanOrEqual(2 * (half.bytes + idBytes('x'.repeat(longest))));
      return window.documents;
    });
    expect(Math.max(...counts)).toBeLessThanOrEqual(18);
    // full halves would always leave nine
    expect(Math.min(...counts.slice(18))).toBeLessThan(9);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });

  it('takes a single document whose id alone exceeds its bytes', () => {
    const window = windowOf({ window: { documents: 2 } });
    const id = 'x'.repeat(1 << 20);
    expect(window.place(documentOf(1, 0, { id }))).toBeUndefined();
    expect(window.place(documentOf(1, 1))?.duplicate_of).toBe(id);
    expect(window.place(documentOf(2, 2))).toBeUndefined();
    expect(window.place(documentOf(3, 3))).toBeUndefined();
    expect(window.bytes).toBeLessThan(1000);
  });

  it('judges by exact similarity where it keeps contents, and by the estimate where one is too large', () => {
    const [a, b] = [randomBytes(1, 3000), randomBytes(2, 3000)];
    const signed = signatureAt(signer.sign(packDocuments([a])), 0);
    const of = (bytes: Uint8Array, ordinal: number): WindowDocument => ({
      id: `d${ordinal}`,
      ordinal,
      hash: Uint32Array.of(ordinal, 0, 0, 0),
      signature: signed,
      bytes,
    });
    const similarities = (first: Uint8Array, second: Uint8Array): number[] => {
      const window = windowOf({ verify: 'jaccard' });
      return [of(first, 0), of(second, 1)].flatMap((document) => window.place(document)?.similarity ?? []);
    };
    // the same signature, which here says nothing about the bytes
    expect(similarities(a, b)).toEqual([]);
    expect(similarities(a, a.slice(0, 2000))).toEqual([1996 / 2996]);
    expect(similarities(new Uint8Array(3 << 20), b)).toEqual([1]);
  });
});
