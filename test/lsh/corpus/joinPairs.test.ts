import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { littleEndianBytes } from '../../../src/formats/littleEndian.ts';
import { arrived } from '../../../src/lsh/corpus/crossing.ts';
import joinPairs, { type JoinResult, type JoinTask } from '../../../src/lsh/corpus/joinPairs.ts';
import { UnionFind } from '../../../src/lsh/unionFind.ts';
import { cut, temporaryFolder, wordsIn } from './folder.ts';

type Pair = readonly [number, number];

const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 });
const pair = fc.tuple(fc.nat(29), fc.nat(29)).map(([a, b]): Pair => [Math.min(a, b), Math.max(a, b)]);
const pairs = fc.array(pair, { maxLength: 25 });

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

describe('joinPairs', () => {
  it('gives each document the first one of its cluster, whatever files the pairs lie in, and in what order', () => {
    const { write, join } = joiner();
    fc.assert(
      fc.property(pairs, fractions, (given, cuts) => {
        const files = cut(given, cuts).map((some) => write(some.flat()));
        const expected = rootsOf(30, given);
        const kept = expected.filter((root, i) => root === i).length;
        for (const order of [files, files.toReversed()]) {
          const result = join({ documents: 30, earlier: [], firstNew: 0, pairs: order });
          expect(result).toMatchObject({ kept, roots: expected });
        }
      }),
    );
  });

  it('goes on where earlier corpora ended, and comes to what one corpus in all would', () => {
    const { write, join } = joiner();
    fc.assert(
      fc.property(pairs, fractions, (given, cuts) => {
        const expected = rootsOf(30, given);
        const earlier: string[] = [];
        let firstNew = 0;
        for (const own of cut(
          Array.from({ length: 30 }, (_, i) => i),
          cuts,
        )) {
          const documents = firstNew + own.length;
          // a document is new in the corpus that has the later one
          const alike = given.filter(([, later]) => later >= firstNew && later < documents);
          const { file, roots, kept } = join({ documents, earlier, firstNew, pairs: [write(alike.flat())] });
          const soFar = rootsOf(
            documents,
            given.filter(([, later]) => later < documents),
          );
          expect(roots).toEqual(soFar.slice(firstNew));
          expect(kept).toBe(own.filter((document) => soFar[document] === document).length);
          earlier.push(file);
          firstNew = documents;
        }
        const all = join({ documents: 30, earlier, firstNew: 30, pairs: [] });
        expect(all).toMatchObject({ kept: 0, roots: [] });
        expect(
          rootsOf(
            30,
            earlier.flatMap(wordsIn).map((root, i): Pair => [root, i]),
          ),
        ).toEqual(expected);
      }),
    );
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
