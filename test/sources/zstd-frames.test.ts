import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZstdFrames } from '../../src/sources/zstd-frames.ts';

const skippable = (size: number): Buffer => {
  const frame = Buffer.alloc(8 + size);
  frame.writeUInt32LE(0x184d2a53);
  frame.writeUInt32LE(size, 4);
  return frame;
};

const body = fc.oneof(
  fc.uint8Array({ maxLength: 500 }),
  fc.integer({ min: 0, max: 400_000 }).map((size) => new Uint8Array(size).fill(65)),
  fc
    .integer({ min: 0, max: 300_000 })
    .map((size) => Uint8Array.from({ length: size }, (_, n) => Math.imul(n, 2654435761) >>> 24)),
);

const frame = fc.oneof(
  fc
    .tuple(body, fc.boolean())
    .map(([bytes, checksum]) =>
      zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0 } }),
    ),
  fc.integer({ min: 0, max: 300 }).map(skippable),
);

describe('a Zstandard stream', () => {
  it('may end behind every frame and nowhere else', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 70_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (frames, chunk, share) => {
          const stream = Buffer.concat(frames);
          const ends = new Set(frames.map((_, index) => Buffer.concat(frames.slice(0, index + 1)).length)).add(0);
          for (const length of [stream.length, Math.floor(stream.length * share), stream.length - 1]) {
            const follower = new ZstdFrames();
            for (let at = 0; at < length; at += chunk) follower.push(stream.subarray(at, Math.min(length, at + chunk)));
            expect(follower.whole).toBe(ends.has(length));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('that is none is left to the decoder', () => {
    const follower = new ZstdFrames();
    follower.push(Buffer.from('not zstd at all'));
    expect(follower.whole).toBe(true);
  });
});
