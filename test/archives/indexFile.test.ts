import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntry, type Entry, encodeEntry } from '../../src/archives/index/entry.ts';
import { IndexFile } from '../../src/archives/index/indexFile.ts';
import { IndexWriter } from '../../src/archives/index/indexWriter.ts';
import { all, temporaryFolder } from './helpers.ts';

const facts = { kind: 'tar', contentBytes: 0, damage: null, pack: null } as const;

async function written(entries: Iterable<Entry>): Promise<IndexFile> {
  const file = join(temporaryFolder(), 'index');
  const writer = await IndexWriter.create(file);
  for (const entry of entries) await writer.add(entry);
  await writer.finish('key', facts, []);
  await writer.close();
  expect(await IndexFile.open(file, 'other')).toBeUndefined();
  const index = await IndexFile.open(file, 'key');
  if (index === undefined) throw new Error('it was not written whole');
  return index;
}

describe('an index file', () => {
  it('gives entries back as they were', () => {
    const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const bytes = (length: object): fc.Arbitrary<Buffer> => fc.uint8Array(length).map((array) => Buffer.from(array));
    const u = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
    const entry = fc.record({
      name: fc.string({ unit: 'grapheme' }),
      byte: number,
      size: number,
      sha256: fc.option(bytes({ minLength: 32, maxLength: 32 }), { nil: undefined }),
      zip: fc.option(
        fc.record({ rawName: bytes({ maxLength: 300 }), packed: number, end: number, crc: u(32), method: u(16) }),
        { nil: undefined },
      ),
      refused: fc.option(fc.record({ code: fc.string(), message: fc.string() }), { nil: undefined }),
    });
    fc.assert(
      fc.property(entry, (value) => {
        expect(decodeEntry(encodeEntry(value))).toEqual(value);
      }),
    );
  });

  it('of any names finds each, the last of those that are alike, and no other', async () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'c/d', 'größe', '', 'x'.repeat(500)), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(names, async (list) => {
        const index = await written(list.map((name, byte) => ({ name, byte, size: 1 })));
        const last = new Map(list.map((name, byte) => [name, byte]));
        for (const name of ['a', 'b', 'c/d', 'größe', '', 'x'.repeat(500), 'no']) {
          expect(index.entry(name)?.byte).toBe(last.get(name));
        }
        const order = [...last].toSorted(([, a], [, b]) => a - b);
        expect((await all(index.entries())).map(({ name, byte }) => [name, byte])).toEqual(order);
        index.close();
      }),
      { numRuns: 60 },
    );
  });

  it('with more names than are sorted in memory finds each', async () => {
    const count = 160_000;
    function* entries(): Generator<Entry> {
      for (let byte = 0; byte < count; byte++) yield { name: `images/${byte % (count - 5)}.jpg`, byte, size: 1 };
    }
    const index = await written(entries());
    expect(index.head.rows).toBe(count - 5);
    expect(index.head.superseded).toBe(5);
    for (let byte = 5; byte < count - 5; byte += 97) expect(index.entry(`images/${byte}.jpg`)?.byte).toBe(byte);
    for (let n = 0; n < 5; n++) expect(index.entry(`images/${n}.jpg`)?.byte).toBe(count - 5 + n);
    for (let n = count; n < count + 1000; n++) expect(index.entry(`images/${n}.jpg`)).toBeUndefined();
    index.close();
  });
});
