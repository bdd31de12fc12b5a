import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeGgufFile } from '../../../src/formats/gguf/file.ts';
import { parseGgufHeader } from '../../../src/formats/gguf/read.ts';
import { type GgufArray, type GgufValue, numberArrays } from '../../../src/formats/gguf/types.ts';
import { type GgufTensorData, ggufChunks, ggufHeader } from '../../../src/formats/gguf/write.ts';
import { blockBytes, blockLayouts, blockTypes } from '../../../src/kernels/blocks/layout.ts';
import { temporaryFolder } from '../../sinks/flow.ts';
import { info, pair, TYPE, text, u32, u64 } from './bytes.ts';

async function joined(metadata: ReadonlyMap<string, GgufValue>, tensors: readonly GgufTensorData[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of ggufChunks(metadata, tensors)) parts.push(chunk.slice());
  return Buffer.concat(parts);
}

const no = new Map<string, GgufValue>();

describe('GGUF files', () => {
  it('are these bytes', async () => {
    const metadata = new Map<string, GgufValue>([
      ['general.architecture', { type: 'string', value: 'llama' }],
      ['n', { type: 'uint32', value: 7 }],
      ['list', { type: 'array', value: { of: 'int16', items: Int16Array.of(-2, 3) } }],
    ]);
    const w = Uint8Array.from({ length: 24 }, (_, i) => i + 1);
    const file = await joined(metadata, [
      { name: 'w', type: 'F32', shape: [2, 3], chunks: [w.subarray(0, 5), w.subarray(5)] },
      { name: 'b', type: 'BF16', shape: [2], chunks: [Uint8Array.of(9, 8, 7, 6)] },
    ]);
    const head = Buffer.concat([
      Buffer.from('GGUF'),
      u32(3),
      u64(2),
      u64(3),
      pair('general.architecture', TYPE.string, text('llama')),
      pair('n', TYPE.uint32, Buffer.of(7, 0, 0, 0)),
      pair('list', TYPE.array, u32(TYPE.int16), u64(2), Buffer.of(0xfe, 0xff, 3, 0)),
      info('w', [3, 2], 0, 0),
      info('b', [2], 30, 32),
    ]);
    const padding = Buffer.alloc((32 - (head.length % 32)) % 32);
    expect(file).toEqual(Buffer.concat([head, padding, w, Buffer.alloc(8), Buffer.of(9, 8, 7, 6), Buffer.alloc(28)]));
  });

  it('come back as they were', async () => {
    const numbers = fc.constantFrom('uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64');
    const items: fc.Arbitrary<GgufArray> = fc.letrec<{ array: GgufArray }>((tie) => ({
      array: fc.oneof(
        { depthSize: 'small', maxDepth: 3 },
        fc.tuple(numbers, fc.array(fc.nat(100))).map(([of, values]) => ({ of, items: numberArrays[of].from(values) })),
        fc.array(fc.bigInt(-9n, 9n)).map((values) => ({ of: 'int64' as const, items: BigInt64Array.from(values) })),
        fc.array(fc.nat(1)).map((values) => ({ of: 'bool' as const, items: Uint8Array.from(values) })),
        fc.array(fc.string({ unit: 'grapheme' })).map((values) => ({ of: 'string' as const, items: values })),
        fc.array(tie('array'), { maxLength: 3 }).map((values) => ({ of: 'array' as const, items: values })),
      ),
    })).array;
    const value: fc.Arbitrary<GgufValue> = fc.oneof(
      fc.record({ type: fc.constant('uint8' as const), value: fc.nat(255) }),
      fc.record({ type: fc.constant('int8' as const), value: fc.integer({ min: -128, max: 127 }) }),
      fc.record({ type: fc.constant('uint16' as const), value: fc.nat(65_535) }),
      fc.record({ type: fc.constant('int16' as const), value: fc.integer({ min: -32_768, max: 32_767 }) }),
      fc.record({ type: fc.constant('uint32' as const), value: fc.nat(0xffff_ffff) }),
      fc.record({ type: fc.constant('int32' as const), value: fc.integer() }),
      fc.record({ type: fc.constant('float32' as const), value: fc.float() }),
      fc.record({ type: fc.constant('float64' as const), value: fc.double() }),
      fc.record({ type: fc.constant('uint64' as const), value: fc.bigInt(0n, 2n ** 64n - 1n) }),
      fc.record({ type: fc.constant('int64' as const), value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }),
      fc.record({ type: fc.constant('bool' as const), value: fc.boolean() }),
      fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) }),
      fc.record({ type: fc.constant('array' as const), value: items }),
    );
    const tensor = fc.record({
      name: fc.string({ minLength: 1, maxLength: 16 }),
      type: fc.constantFrom(...blockTypes),
      shape: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
      byte: fc.nat(255),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(fc.string({ minLength: 1, unit: 'grapheme' }), value), { selector: ([key]) => key }),
        fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 5 }),
        fc.option(fc.constantFrom(8, 32, 128, 4096)),
        async (pairs, tensors, alignment) => {
          const metadata = new Map<string, GgufValue>(pairs);
          if (alignment !== null) metadata.set('general.alignment', { type: 'uint32', value: alignment });
          const given = tensors.map(({ name, type, shape, byte }): GgufTensorData & { content: Buffer } => {
            const sizes = shape.with(-1, shape.at(-1)! * blockLayouts[type].values);
            const content = Buffer.alloc(
              blockBytes(
                type,
                sizes.reduce((a, b) => a * b),
              ),
              byte,
            );
            return { name, type, shape: sizes, chunks: [content], content };
          });
          const file = await joined(metadata, given);
          const header = parseGgufHeader(file, file.length);
          expect([...header.metadata]).toEqual([...metadata]);
          expect([...header.tensors.values()].map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(
            given.map(({ name, type, shape }) => ({ name, type, shape })),
          );
          for (const { name, content } of given) {
            const { offset, length } = header.tensors.get(name)!;
            expect(offset % header.alignment).toBe(0);
            expect(file.subarray(offset, offset + length)).toEqual(content);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('are made tensor by tensor: content is asked for when its turn comes', async () => {
    const events: string[] = [];
    const tensor = (name: string): GgufTensorData => ({
      name,
      type: 'F16',
      shape: [4],
      chunks: (async function* () {
        events.push(`begin ${name}`);
        yield Uint8Array.of(1, 2, 3, 4);
        yield Uint8Array.of(5, 6, 7, 8);
        events.push(`end ${name}`);
      })(),
    });
    for await (const chunk of ggufChunks(no, [tensor('a'), tensor('b')])) events.push(`${chunk.length}`);
    expect(events.slice(1)).toEqual(['begin a', '4', '4', 'end a', '24', 'begin b', '4', '4', 'end b', '24']);
  });

  const spec = { name: 'w', type: 'F32', shape: [2], chunks: [] } as const;
  it.each([
    ['a name used twice', [spec, spec]],
    ['no name', [{ ...spec, name: '' }]],
    ['a name beyond 64 bytes', [{ ...spec, name: 'ä'.repeat(33) }]],
    ['no dimensions', [{ ...spec, shape: [] }]],
    ['five dimensions', [{ ...spec, shape: [1, 1, 1, 1, 1] }]],
    ['a dimension of zero', [{ ...spec, shape: [0] }]],
    ['a broken dimension', [{ ...spec, shape: [1.5] }]],
    ['rows that are not whole blocks', [{ ...spec, type: 'Q8_0', shape: [32, 16] } as const]],
  ])('refuse %s', (_, tensors) => {
    expect(() => ggufHeader(no, tensors)).toThrow(expect.objectContaining({ code: 'BAD_TENSOR' }));
  });

  it.each([[new Uint8Array(7)], [new Uint8Array(9)]])('refuse content of another size', async (content) => {
    await expect(joined(no, [{ ...spec, chunks: [content] }])).rejects.toMatchObject({ code: 'BAD_TENSOR' });
  });

  it.each<[string, string, GgufValue]>([
    ['an empty key', '', { type: 'bool', value: true }],
    ['a key beyond the format', 'k'.repeat(65_536), { type: 'bool', value: true }],
    ['a number beyond its type', 'a', { type: 'uint8', value: 256 }],
    ['a fraction', 'a', { type: 'int32', value: 0.5 }],
    ['a float beyond its type', 'a', { type: 'float32', value: 1e39 }],
    ['a big number beyond its type', 'a', { type: 'uint64', value: -1n }],
    ['items in another array', 'a', { type: 'array', value: { of: 'int8', items: Uint8Array.of(1) } }],
    ['an alignment that is none', 'general.alignment', { type: 'uint32', value: 12 }],
  ])('refuse %s', (_, key, value) => {
    expect(() => ggufHeader(new Map([[key, value]]), [])).toThrow(expect.objectContaining({ code: 'BAD_METADATA' }));
  });
});

describe('writing a GGUF file', () => {
  const tensors = (chunks: Iterable<Uint8Array>): GgufTensorData[] => [{ name: 'w', type: 'F32', shape: [1], chunks }];

  it('puts it under its name only once it is whole', async () => {
    const folder = await temporaryFolder();
    const target = path.join(folder, 'm.gguf');
    await writeFile(target, 'before');
    const broken = (function* () {
      yield new Uint8Array(2);
      throw new Error('gone');
    })();
    await expect(writeGgufFile(target, no, tensors(broken))).rejects.toThrow('gone');
    expect(await readFile(target, 'utf8')).toBe('before');
    expect(await readdir(folder)).toEqual(['m.gguf']);
    const bytes = await writeGgufFile(target, no, tensors([Uint8Array.of(1, 2, 3, 4)]));
    const file = await readFile(target);
    expect(file.length).toBe(bytes);
    expect(parseGgufHeader(file, file.length).tensors.get('w')?.length).toBe(4);
    expect(await readdir(folder)).toEqual(['m.gguf']);
  });

  it('leaves nothing where the name cannot be used', async () => {
    const folder = await temporaryFolder();
    const target = path.join(folder, 'taken');
    await mkdir(target);
    await expect(writeGgufFile(target, no, tensors([new Uint8Array(4)]))).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['taken']);
  });
});
