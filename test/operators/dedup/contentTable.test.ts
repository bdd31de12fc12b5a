import { expect, it } from 'vitest';
import { ContentTable } from '../../../src/operators/dedup/contentTable.ts';
import { randomNumbers } from '../../lsh/texts.ts';

it('finds each of many hashes at its row while it grows, and nothing else, until it is cleared', () => {
  const table = new ContentTable(20_000);
  const next = randomNumbers(3);
  const hashes = Array.from({ length: 20_000 }, () => Uint32Array.of(next(), next(), next(), next()));
  for (const hash of hashes) table.add(hash);
  expect(hashes.every((hash, row) => table.find(hash) === row)).toBe(true);
  const others = hashes.map((hash, i) => hash.with(i % 4, next()));
  expect(others.every((hash) => table.find(hash) === undefined)).toBe(true);
  table.clear();
  expect(hashes.every((hash) => table.find(hash) === undefined)).toBe(true);
});

it('tells hashes apart that begin at the same slot', () => {
  const table = new ContentTable(8);
  const hashes = Array.from({ length: 8 }, (_, i) => Uint32Array.of(i, 5, 5, 0xffffffff));
  for (const hash of hashes) table.add(hash);
  expect(hashes.map((hash) => table.find(hash))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(table.find(Uint32Array.of(9, 5, 5, 0xffffffff))).toBeUndefined();
});
