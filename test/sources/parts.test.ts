import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../src/sources/lines.ts';
import { cutPoint, PartCutter, partCount, partPlan } from '../../src/sources/parts.ts';

const chunksOf = (bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] => {
  const chunks: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
};

const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 });
const prose = fc
  .string({ unit: fc.constantFrom('a', 'é', '漢', '😀', '\n', ' '), maxLength: 3000 })
  .map((text) => Buffer.from(text));

describe('parts of a stream', () => {
  it('are at most as large as allowed, tile the stream, and do not depend on the chunks it came in', () => {
    fc.assert(
      fc.property(prose, sizes, fc.integer({ min: 64, max: 500 }), (bytes, chunkSizes, max) => {
        const cut = (chunks: readonly Uint8Array[]) => {
          const cutter = new PartCutter(max);
          const parts = chunks.flatMap((chunk) => [...cutter.push(chunk)]);
          return [...parts, cutter.flush()].map(({ bytes: part, start }) => ({ start, part: Buffer.from(part) }));
        };
        const parts = cut(chunksOf(bytes, chunkSizes));
        expect(Buffer.concat(parts.map(({ part }) => part))).toEqual(bytes);
        expect(parts.every(({ part }) => part.length <= max)).toBe(true);
        expect(parts).toHaveLength(partCount(bytes.length, partPlan(max)));
        expect(parts).toEqual(cut([bytes]));
        for (const { start } of parts) expect((bytes[start] ?? 0) & 0xc0).not.toBe(0x80);
      }),
    );
  });

  it('end behind a line where there is one', () => {
    expect(cutPoint(Buffer.from('one\ntwo\nthree'))).toBe(8);
    expect(cutPoint(Buffer.from('three'))).toBe(5);
    expect(cutPoint(Buffer.from('aé').subarray(0, 2))).toBe(1);
    expect(cutPoint(new Uint8Array([1, 0x80, 0x80, 0x80, 0x80, 0x80]))).toBe(6);
  });
});

describe('lines', () => {
  it('are those of the whole text, with exact offsets, however it is cut into chunks', () => {
    const lines = fc.array(fc.string({ unit: fc.constantFrom('a', '漢', '\r', ' '), maxLength: 40 }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(lines, sizes, fc.boolean(), (texts, chunkSizes, ended) => {
        const bytes = Buffer.from(texts.join('\n') + (ended ? '\n' : ''));
        const splitter = new LineSplitter(1 << 20, 1000);
        const found = [
          ...chunksOf(bytes, chunkSizes).flatMap((chunk) => [...splitter.push(chunk)]),
          ...splitter.flush(),
        ];
        const expected = bytes.toString().split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(found.map((line) => Buffer.from(line.bytes).toString())).toEqual(
          expected.map((line) => line.replace(/\r$/, '')),
        );
        for (const line of found) {
          const at = line.byte - 1000;
          expect(bytes.subarray(at, at + line.bytes.length)).toEqual(Buffer.from(line.bytes));
        }
      }),
    );
  });

  it('too long are dropped without being held, and named with their length', () => {
    const splitter = new LineSplitter(4);
    const found = ['abcdef', 'gh', '\nok\r\n', 'abcd\n', 'abcde'].flatMap((chunk) => [
      ...splitter.push(Buffer.from(chunk)),
    ]);
    expect(
      [...found, ...splitter.flush()].map(({ byte, bytes, tooLong }) => [byte, Buffer.from(bytes).toString(), tooLong]),
    ).toEqual([
      [0, '', 8],
      [9, 'ok', undefined],
      [13, 'abcd', undefined],
      [18, '', 5],
    ]);
  });
});
