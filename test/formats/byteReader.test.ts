import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../src/formats/byteReader.ts';

/** Chunks in one buffer that is used again for each, as files are read. */
async function* reusing(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(64);
  for (const chunk of chunks) {
    buffer.set(chunk);
    yield buffer.subarray(0, chunk.length);
  }
}

describe('a byte reader', () => {
  it('gives pieces of any size, however the stream is divided, and fewer bytes at its end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }),
        fc.array(fc.nat({ max: 100 }), { maxLength: 8 }),
        async (chunks, sizes) => {
          const all = Buffer.concat(chunks);
          const reader = new ByteReader(reusing(chunks));
          let at = 0;
          for (const size of sizes) {
            const expected = all.subarray(at, at + size);
            expect(await reader.read(size)).toEqual(expected);
            at += expected.length;
            expect(reader.position).toBe(at);
          }
        },
      ),
    );
  });

  it('lets the stream go', async () => {
    let closed = false;
    const stream = (async function* () {
      try {
        for (;;) yield new Uint8Array(8);
      } finally {
        closed = true;
      }
    })();
    const reader = new ByteReader(stream);
    await reader.read(3);
    await reader.close();
    expect(closed).toBe(true);
  });
});
