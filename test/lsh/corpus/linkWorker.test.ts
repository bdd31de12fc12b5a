import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { littleEndianBytes } from '../../../src/formats/littleEndian.ts';
import { RANGE_BITS, sortedByRange } from '../../../src/lsh/corpus/keyBlock.ts';
import linkKeys from '../../../src/lsh/corpus/linkWorker.ts';
import type { CorpusPart } from '../../../src/lsh/corpus/parts.ts';
import { UnionFind } from '../../../src/lsh/unionFind.ts';
import { arrived } from '../../../src/run/crossing.ts';
import { randomNumbers } from '../texts.ts';
import { cut, inOrder, pairsIn, ranges, temporaryFolder } from './folder.ts';

const WHOLE = 2 ** RANGE_BITS;

/** The keys of each document. */
type Keys = readonly (readonly (readonly [high: number, low: number])[])[];

interface Cut {
  readonly parts: readonly number[];
  readonly blocks: readonly number[];
  readonly ranges: readonly number[];
}

function writeParts(folder: { newFile(): string }, keys: Keys, cuts: Cut, firstOfAll = 0): CorpusPart[] {
  let first = firstOfAll;
  return cut(keys, cuts.parts).map((documents) => {
    const file = folder.newFile();
    const entries = documents.flatMap((own, i) => own.map(([high, low]) => [high, low, i]));
    const blocks = cut(entries, cuts.blocks).filter((block) => block.length > 0);
    const sorted = blocks.flatMap((block) => [...sortedByRange(Uint32Array.from(block.flat()))]);
    // a part without keys has no file of them
    if (blocks.length > 0) writeFileSync(`${file}.keys`, littleEndianBytes(Uint32Array.from(sorted)));
    const part = { file, first, documents: documents.length, blocks: blocks.map((block) => block.length) };
    first += documents.length;
    return part;
  });
}

/** The pairs of all documents that have a key, by its definition: with the first one, and with the one before. */
function expectedPairs(keys: Keys, firstNew: number): (readonly [number, number])[] {
  const members = new Map<string, Set<number>>();
  for (const [document, own] of keys.entries()) {
    for (const key of own) members.set(key.join(), (members.get(key.join()) ?? new Set()).add(document));
  }
  const pairs = [...members.values()].flatMap((set) => {
    const list = [...set];
    return list.flatMap((document, i): [number, number][] =>
      i === 0 || document < firstNew
        ? []
        : [
            [list[0] ?? 0, document],
            [list[i - 1] ?? 0, document],
          ],
    );
  });
  return inOrder(pairs);
}

const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 });
const cuts: fc.Arbitrary<Cut> = fc.record({ parts: fractions, blocks: fractions, ranges: fractions });
const high = fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0x8000_ffff, 0x8001_0000, 0xffff_0000, 0xffff_ffff);
const key = fc.tuple(high, fc.constantFrom(0, 1, 0xffff_ffff));
const someKeys = fc.array(fc.array(key, { maxLength: 4 }), { maxLength: 24 });

describe('linkWorker', () => {
  it('pairs each new document with the first and the latest one of its keys, however parts, blocks and ranges are cut', () => {
    const folder = temporaryFolder();
    fc.assert(
      fc.property(someKeys, cuts, fc.nat(24), (keys, given, firstNew) => {
        const parts = writeParts(folder, keys, given);
        let entries = 0;
        const pairs = ranges(WHOLE, given.ranges).flatMap(([from, to]) => {
          const out = folder.newFile();
          const result = linkKeys({ parts, from, to, firstNew, out });
          entries += result.keys;
          const found = pairsIn(out);
          expect(result.runs).toEqual(found.length === 0 ? [] : [found.length]);
          expect(found).toEqual(inOrder(found));
          return found;
        });
        expect(entries).toBe(keys.flat().length);
        expect(inOrder(pairs)).toEqual(expectedPairs(keys, firstNew));
        expect(pairs.length).toBeLessThanOrEqual(2 * entries);
      }),
      { numRuns: 150 },
    );
  });

  it('joins the documents that share a key, and those that share one with them, and no others', () => {
    const folder = temporaryFolder();
    fc.assert(
      fc.property(someKeys, cuts, (keys, given) => {
        const out = folder.newFile();
        linkKeys({ parts: writeParts(folder, keys, given), from: 0, to: WHOLE, firstNew: 0, out });
        const sets = new UnionFind(keys.length);
        for (const [earlier, later] of pairsIn(out)) sets.join(earlier, later);
        const names = keys.map((own) => own.map(String));
        // walks from document to document as long as there is one to come to
        const expected = keys.map((_, start) => {
          const seen = new Set([start]);
          for (const at of seen) {
            for (const [other, own] of names.entries())
              if (own.some((one) => names[at]?.includes(one))) seen.add(other);
          }
          return Math.min(...seen);
        });
        expect(keys.map((_, document) => sets.find(document))).toEqual(expected);
      }),
    );
  });

  it('finds what shares a key among a hundred thousand others, more than it has room for at first', () => {
    const folder = temporaryFolder();
    const next = randomNumbers(5);
    const keys = Array.from({ length: 50_000 }, () => [[next(), next()] as const, [next(), next()] as const]);
    for (let i = 0; i < 1000; i++) keys[next() % 50_000]?.push(keys[next() % 50_000]?.[0] ?? [0, 0]);
    const parts = writeParts(folder, keys, { parts: [0.3, 0.3, 0.8], blocks: [0.5], ranges: [] });
    const out = folder.newFile();
    linkKeys({ parts, from: 0, to: WHOLE, firstNew: 0, out });
    const pairs = pairsIn(out);
    expect(pairs.length).toBeGreaterThan(900);
    expect(pairs).toEqual(expectedPairs(keys, 0));
  });

  it('has numbers up to 2^32 - 2', () => {
    const folder = temporaryFolder();
    const first = 2 ** 32 - 4;
    const keys: Keys = [[[1, 1]], [[1, 1]], [[1, 1]]];
    const out = folder.newFile();
    linkKeys({
      parts: writeParts(folder, keys, { parts: [0.5], blocks: [], ranges: [] }, first),
      from: 0,
      to: WHOLE,
      firstNew: 0,
      out,
    });
    expect(pairsIn(out)).toEqual([
      [first, first + 1],
      [first, first + 2],
      [first + 1, first + 2],
    ]);
  });

  it('reads keys beyond 4 GiB', () => {
    const folder = temporaryFolder();
    const file = folder.newFile();
    const before = 2 ** 29;
    // a hole in place of a block; the range begins behind its keys, all of them 0
    const descriptor = openSync(`${file}.keys`, 'w');
    writeSync(descriptor, littleEndianBytes(Uint32Array.of(1 << 16, 5, 6, 1 << 16, 5, 8)), 0, 24, 12 * before);
    closeSync(descriptor);
    const out = folder.newFile();
    const parts = [{ file, first: 100, documents: 9, blocks: [before, 2] }];
    expect(linkKeys({ parts, from: 1, to: WHOLE, firstNew: 0, out })).toEqual({ runs: [1], keys: 2 });
    expect(pairsIn(out)).toEqual([[106, 108]]);
  });

  it('tells of a file of keys that was cut short, or is missing, and of an output that is there already', () => {
    const folder = temporaryFolder();
    const parts = writeParts(folder, [[[1, 1]], [[2, 2]]], { parts: [], blocks: [], ranges: [] });
    const file = `${parts[0]?.file}.keys`;
    const failure = (out: string): unknown => {
      try {
        return linkKeys({ parts, from: 0, to: WHOLE, firstNew: 0, out });
      } catch (error) {
        return arrived(error);
      }
    };
    const taken = folder.newFile();
    expect(failure(taken)).toEqual({ runs: [], keys: 2 });
    expect(failure(taken)).toMatchObject({ code: 'EEXIST', path: taken });
    truncateSync(file, 23);
    expect(failure(folder.newFile())).toMatchObject({ name: 'PipelineError', code: 'DAMAGED', path: file });
    const missing = [{ file: folder.newFile(), first: 0, documents: 1, blocks: [1] }];
    expect(() => linkKeys({ parts: missing, from: 0, to: WHOLE, firstNew: 0, out: folder.newFile() })).toThrow(
      'a file of an index is missing',
    );
  });
});
