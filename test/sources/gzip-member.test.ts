import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../src/sources/compression.ts';

interface Outcome {
  readonly bytes: Buffer;
  /** Ends of members: in the stream and in its content. */
  readonly frames: readonly (readonly [number, number])[];
  readonly code: string | undefined;
}

async function decoded(stream: Uint8Array, chunk = stream.length): Promise<Outcome> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < stream.length; at += chunk) yield stream.subarray(at, at + chunk);
  }
  const pieces: Uint8Array[] = [];
  const frames: [number, number][] = [];
  let code: string | undefined;
  try {
    for await (const piece of decompress(chunks(), 'gzip', 1000, (...ends) => frames.push(ends))) pieces.push(piece);
  } catch (error) {
    ({ code } = error as { code: string });
  }
  return { bytes: Buffer.concat(pieces), frames, code };
}

/** A member with every field that its header may have. */
function withFields(content: Uint8Array): Buffer {
  const plain = gzipSync(content);
  const fields = Buffer.from('\x05\x00extraname\0comment\0xx', 'latin1');
  const head = Buffer.from(plain.subarray(0, 10));
  head[3] = 2 | 4 | 8 | 16;
  return Buffer.concat([head, fields, plain.subarray(10)]);
}

describe('a gzip stream', () => {
  it('of members in any chunks gives their content, and where each ends', async () => {
    const member = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean());
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(40),
        async (members, chunk, zeros) => {
          const packed = members.map(([content, fields]) => (fields ? withFields(content) : gzipSync(content)));
          const outcome = await decoded(Buffer.concat([...packed, Buffer.alloc(zeros)]), chunk);
          expect(outcome.code).toBeUndefined();
          expect(outcome.bytes).toEqual(Buffer.concat(members.map(([content]) => content)));
          const behind = (last: number, lengths: readonly number[]): number =>
            lengths.slice(0, last + 1).reduce((sum, length) => sum + length, 0);
          const ends = members.map((_member, index) => [
            behind(
              index,
              packed.map((bytes) => bytes.length),
            ),
            behind(
              index,
              members.map(([content]) => content.length),
            ),
          ]);
          expect(outcome.frames).toEqual(ends);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('that is cut gives what lies before, and says so', async () => {
    const one = gzipSync('one '.repeat(50));
    const stream = Buffer.concat([one, withFields(Buffer.from('two '.repeat(50)))]);
    for (let length = 1; length < stream.length; length++) {
      for (const chunk of [7, stream.length]) {
        const { bytes, code } = await decoded(stream.subarray(0, length), chunk);
        // What begins like no member behind the first is padding, and one byte is not enough to tell.
        expect(code).toBe(length === one.length ? undefined : 'TRUNCATED');
        expect(`${'one '.repeat(50)}${'two '.repeat(50)}`.startsWith(bytes.toString())).toBe(true);
        if (length >= one.length) expect(bytes.length).toBeGreaterThanOrEqual(200);
      }
    }
  });

  it('that is damaged says so: in its checksum, its length, its header, its content', async () => {
    const good = gzipSync('words '.repeat(50));
    for (const at of [0, 1, 2, 12, good.length - 8, good.length - 1]) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x55;
      expect((await decoded(bad)).code, `byte ${at}`).toBe('CORRUPT_COMPRESSION');
    }
    const endless = Buffer.alloc(300_000, 0x41);
    endless.set([0x1f, 0x8b, 8, 8]);
    expect((await decoded(endless, 50_000)).code).toBe('CORRUPT_COMPRESSION');
  });
});
