import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { uint32From } from '../../../src/formats/littleEndian.ts';

/** A folder that is gone behind the test, and names in it that were not given before. */
export function temporaryFolder(): { readonly folder: string; newFile(): string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-corpus-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let files = 0;
  return { folder, newFile: () => path.join(folder, `file-${files++}`) };
}

export const wordsIn = (file: string): number[] => [...uint32From(readFileSync(file))];

/** Words of a file two by two. */
export function pairsIn(file: string): [number, number][] {
  const words = wordsIn(file);
  return Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i] ?? -1, words[2 * i + 1] ?? -1]);
}

/** In the order of the later one, then of the earlier, each once. */
export function inOrder(pairs: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const unique = new Map(pairs.map((pair) => [pair.join(), pair]));
  return [...unique.values()].sort(([a, b], [c, d]) => b - d || a - c);
}

/** Cuts a list where the fractions say. */
export function cut<T>(list: readonly T[], fractions: readonly number[]): T[][] {
  const places = [0, ...fractions.map((one) => Math.floor(one * list.length)).sort((a, b) => a - b), list.length];
  return places.slice(1).map((end, i) => list.slice(places[i], end));
}

/** The parts of [0, whole) that the fractions make. */
export function ranges(whole: number, fractions: readonly number[]): [number, number][] {
  const places = [0, ...fractions.map((one) => Math.floor(one * whole)).sort((a, b) => a - b), whole];
  return places.slice(1).map((end, i) => [places[i] ?? 0, end]);
}
