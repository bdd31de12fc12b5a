import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkList, coalesced } from '../../src/sinks/chunkList.ts';

const sizes = fc.array(fc.oneof(fc.nat(40), fc.nat(3000), fc.integer({ min: 60_000, max: 140_000 })), {
  maxLength: 40,
});
const filled = (size: number, seed: number): Uint8Array => new Uint8Array(size).fill(seed);

describe('chunk list', () => {
  it('gives back what was appended, in order', () => {
    fc.assert(
      fc.property(sizes, (list) => {
        const chunks = new ChunkList();
        list.forEach((size, i) => {
          chunks.append(filled(size, i));
        });
        const expected = Buffer.concat(list.map(filled));
        expect(chunks.length).toBe(expected.length);
        expect(Buffer.compare(Buffer.concat([...chunks]), expected)).toBe(0);
      }),
    );
  });

  it('keeps no more memory alive than twice its content and a block', () => {
    fc.assert(
      fc.property(sizes, (list) => {
        const chunks = new ChunkList();
        // Every array is a small view of something larger, as a record is of the file it was read from.
        for (const size of list) chunks.append(new Uint8Array(size * 3 + 100).subarray(50, 50 + size));
        const alive = new Set([...chunks].map((chunk) => chunk.buffer));
        const bytes = [...alive].reduce((sum, buffer) => sum + buffer.byteLength, 0);
        expect(bytes).toBeLessThanOrEqual(2 * chunks.length + (64 << 10));
      }),
    );
  });

  it('does not copy a large array that owns its memory', () => {
    const large = new Uint8Array(1 << 20);
    const chunks = new ChunkList();
    chunks.append(large);
    expect([...chunks][0]).toBe(large);
  });
});

describe('coalesced chunks', () => {
  it('hold the same bytes in pieces of at least the size asked for, but for the last', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 5000 }), (list, least) => {
        const chunks = list.map(filled);
        const out = [...coalesced(chunks, least)];
        expect(Buffer.compare(Buffer.concat(out), Buffer.concat(chunks))).toBe(0);
        for (const chunk of out.slice(0, -1)) expect(chunk.length).toBeGreaterThanOrEqual(least);
      }),
    );
  });
});
