import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { littleEndianBytes } from '../../../src/formats/littleEndian.ts';
import joinPairs, { type JoinResult, type JoinTask } from '../../../src/lsh/corpus/joinWorker.ts';
import { UnionFind } from '../../../src/lsh/unionFind.ts';
import { arrived } from '../../../src/run/crossing.ts';
import { cut, ranges, temporaryFolder, wordsIn } from './folder.ts';

type Pair = readonly [number, number];

const DOCUMENTS = 10;
const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 });
const pair = fc
  .tuple(fc.nat(DOCUMENTS - 1), fc.nat(DOCUMENTS - 1))
  .map(([a, b]): Pair => [Math.min(a, b), Math.max(a, b)]);
const pairs = fc.array(pair, { maxLength: 12 });

function joiner() {
  const { newFile } = temporaryFolder();
  const write = (words: readonly number[]): string => {
    const file = newFile();
    writeFileSync(file, littleEndianBytes(Uint32Array.from(words)));
    return file;
  };
  const join = (task: Omit<JoinTask, 'out'>): JoinResult & { readonly file: string; readonly roots: number[] } => {
    const out = newFile();
    return { ...joinPairs({ ...task, out }), file: out, roots: wordsIn(out) };
  };
  return { write, join };
}

/** The smallest document of each set. */
function rootsOf(documents: number, joined: readonly Pair[]): number[] {
  const sets = new UnionFind(documents);
  for (const [a, b] of joined) sets.join(a, b);
  return Array.from({ length: documents }, (_, i) => sets.find(i));
}

describe('joinWorker', () => {
  it('gives each document the first one of its cluster, whatever files the pairs lie in, and in what order', () => {
    const { write, join } = joiner();
    fc.assert(
      fc.property(pairs, fractions, (given, cuts) => {
        const files = cut(given, cuts).map((some) => write(some.flat()));
        const expected = rootsOf(DOCUMENTS, given);
        const kept = expected.filter((root, i) => root === i).length;
        for (const order of [files, files.toReversed()]) {
          const result = join({ documents: DOCUMENTS, earlier: [], firstNew: 0, pairs: order });
          expect(result).toMatchObject({ kept, roots: expected });
        }
      }),
    );
  });

  it('goes on where earlier corpora ended, and keeps what one corpus of all documents so far would keep', () => {
    const { write, join } = joiner();
    fc.assert(
      fc.property(pairs, fractions, (given, cuts) => {
        const earlier: string[] = [];
        for (const [firstNew, documents] of ranges(DOCUMENTS, cuts)) {
          // a corpus has the pairs whose later document is its own
          const alike = given.filter(([, later]) => later >= firstNew && later < documents);
          const soFar = given.filter(([, later]) => later < documents);
          const isKept = rootsOf(documents, soFar).map((root, i) => root === i);
          const before = earlier.flatMap(wordsIn).map((root, i): Pair => [root, i]);
          const { file, roots, kept } = join({ documents, earlier, firstNew, pairs: [write(alike.flat())] });
          expect(roots).toEqual(rootsOf(documents, [...before, ...alike]).slice(firstNew));
          expect(roots.map((root, i) => root === firstNew + i)).toEqual(isKept.slice(firstNew));
          expect(kept).toBe(isKept.slice(firstNew).filter(Boolean).length);
          earlier.push(file);
        }
      }),
    );
  });

  it('knows documents that an earlier corpus kept by themselves, also where a document between them was joined to both', () => {
    const { write, join } = joiner();
    const first = join({ documents: 2, earlier: [], firstNew: 0, pairs: [] });
    const both = write([0, 2, 1, 2]);
    const second = join({ documents: 3, earlier: [first.file], firstNew: 2, pairs: [both] });
    expect(second.roots).toEqual([0]);
    const earlier = [first.file, second.file];
    expect(join({ documents: 4, earlier, firstNew: 3, pairs: [write([1, 3])] }).roots).toEqual([1]);
    expect(join({ documents: 4, earlier, firstNew: 3, pairs: [write([2, 3])] }).roots).toEqual([0]);
  });

  it('joins more than it reads or writes at once', () => {
    const { write, join } = joiner();
    const documents = (1 << 20) + 3;
    const chain = new Uint32Array(2 * (documents - 1)).map((_, i) => (i >>> 1) + (i & 1));
    const file = write([]);
    writeFileSync(file, littleEndianBytes(chain));
    const { kept, roots } = join({ documents, earlier: [], firstNew: 0, pairs: [file] });
    expect([kept, roots.length, roots.every((root) => root === 0)]).toEqual([1, documents, true]);
  });

  it('refuses files that hold what is no pair or no root', () => {
    const { write, join } = joiner();
    const failure = (task: Partial<JoinTask>): unknown => {
      try {
        return join({ documents: 3, earlier: [], firstNew: 0, pairs: [], ...task });
      } catch (error) {
        return arrived(error);
      }
    };
    for (const words of [
      [0, 3],
      [2, 1],
      [0, 1, 2],
      [0, 2 ** 32 - 1],
    ]) {
      const file = write(words);
      expect(failure({ pairs: [file] }), `${words}`).toMatchObject({ code: 'DAMAGED', path: file });
    }
    for (const roots of [[0], [0, 0, 0], [0, 2], []]) {
      const file = write(roots);
      expect(failure({ earlier: [file], firstNew: 2 }), `${roots}`).toMatchObject({ code: 'DAMAGED', path: file });
    }
    const odd = write([]);
    writeFileSync(odd, new Uint8Array(6));
    expect(failure({ pairs: [odd] })).toMatchObject({ code: 'DAMAGED', path: odd });
    expect(failure({ pairs: [`${odd}-not-there`] })).toMatchObject({ code: 'MISSING_FILE' });
  });
});
