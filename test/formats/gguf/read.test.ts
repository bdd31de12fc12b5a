import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../../src/errors.ts';
import { parseGgufHeader, readGgufHeader } from '../../../src/formats/gguf/read.ts';
import { temporaryFolder } from '../../sinks/flow.ts';
import { file, info, pair, TYPE, text, u32, u64 } from './bytes.ts';

async function onDisk(bytes: Uint8Array): Promise<string> {
  const target = path.join(await temporaryFolder(), 'x.gguf');
  await writeFile(target, bytes);
  return target;
}

const parse = (bytes: Uint8Array) => parseGgufHeader(bytes, bytes.length, 'x.gguf');

function refusal(bytes: Uint8Array): SluiceError {
  try {
    parse(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(SluiceError);
    return error as SluiceError;
  }
  throw new Error('it was accepted');
}

const everything = file({
  pairs: [
    pair('a.u8', TYPE.uint8, Buffer.of(200)),
    pair('a.i8', TYPE.int8, Buffer.of(0xff)),
    pair('a.u16', TYPE.uint16, Buffer.of(1, 2)),
    pair('a.i16', TYPE.int16, Buffer.of(0xfe, 0xff)),
    pair('a.u32', TYPE.uint32, Buffer.of(1, 2, 3, 4)),
    pair('a.i32', TYPE.int32, Buffer.of(0xfd, 0xff, 0xff, 0xff)),
    pair('a.f32', TYPE.float32, Buffer.from('0000c03f', 'hex')),
    pair('a.bool', TYPE.bool, Buffer.of(1)),
    pair('a.string', TYPE.string, text('Wörter')),
    pair('a.u64', TYPE.uint64, u64(2n ** 63n)),
    pair('a.i64', TYPE.int64, Buffer.alloc(8, 0xff)),
    pair('a.f64', TYPE.float64, Buffer.from('000000000000f83f', 'hex')),
    pair('a.bytes', TYPE.array, u32(TYPE.uint8), u64(3), Buffer.of(7, 8, 9)),
    pair('a.words', TYPE.array, u32(TYPE.string), u64(2), text('one'), text('')),
    pair('a.bools', TYPE.array, u32(TYPE.bool), u64(2), Buffer.of(1, 0)),
    pair('a.longs', TYPE.array, u32(TYPE.int64), u64(1), Buffer.alloc(8, 0xff)),
    pair(
      'a.nested',
      TYPE.array,
      u32(TYPE.array),
      u64(2),
      u32(TYPE.uint16),
      u64(1),
      Buffer.of(5, 0),
      u32(TYPE.int8),
      u64(0),
    ),
  ],
  infos: [info('w', [4, 2], 0, 32), info('scale', [1], 1, 0), info('q', [256, 3], 12, 64)],
  data: Buffer.alloc(64 + 3 * 144),
});

describe('a GGUF header', () => {
  it('gives metadata of every type, in order', () => {
    const { metadata, version } = parse(everything);
    expect(version).toBe(3);
    expect([...metadata]).toEqual([
      ['a.u8', { type: 'uint8', value: 200 }],
      ['a.i8', { type: 'int8', value: -1 }],
      ['a.u16', { type: 'uint16', value: 0x0201 }],
      ['a.i16', { type: 'int16', value: -2 }],
      ['a.u32', { type: 'uint32', value: 0x04030201 }],
      ['a.i32', { type: 'int32', value: -3 }],
      ['a.f32', { type: 'float32', value: 1.5 }],
      ['a.bool', { type: 'bool', value: true }],
      ['a.string', { type: 'string', value: 'Wörter' }],
      ['a.u64', { type: 'uint64', value: 2n ** 63n }],
      ['a.i64', { type: 'int64', value: -1n }],
      ['a.f64', { type: 'float64', value: 1.5 }],
      ['a.bytes', { type: 'array', value: { of: 'uint8', items: Uint8Array.of(7, 8, 9) } }],
      ['a.words', { type: 'array', value: { of: 'string', items: ['one', ''] } }],
      ['a.bools', { type: 'array', value: { of: 'bool', items: Uint8Array.of(1, 0) } }],
      ['a.longs', { type: 'array', value: { of: 'int64', items: BigInt64Array.of(-1n) } }],
      [
        'a.nested',
        {
          type: 'array',
          value: {
            of: 'array',
            items: [
              { of: 'uint16', items: Uint16Array.of(5) },
              { of: 'int8', items: new Int8Array(0) },
            ],
          },
        },
      ],
    ]);
  });

  it('places tensors in the file, outermost dimension first, sized by their type', () => {
    const { tensors, dataOffset, alignment, fileBytes } = parse(everything);
    expect(alignment).toBe(32);
    expect(dataOffset % 32).toBe(0);
    expect(dataOffset).toBe(fileBytes - 64 - 3 * 144);
    expect([...tensors.values()]).toEqual([
      { name: 'w', type: 'F32', shape: [2, 4], offset: dataOffset + 32, length: 32 },
      { name: 'scale', type: 'F16', shape: [1], offset: dataOffset, length: 2 },
      { name: 'q', type: 'Q4_K', shape: [3, 256], offset: dataOffset + 64, length: 3 * 144 },
    ]);
  });

  it.each([
    [0, 'F32', 512 * 4],
    [1, 'F16', 512 * 2],
    [8, 'Q8_0', 16 * 34],
    [12, 'Q4_K', 2 * 144],
    [14, 'Q6_K', 2 * 210],
    [30, 'BF16', 512 * 2],
  ])('knows type %d as %s', (id, type, length) => {
    const tensor = parse(file({ infos: [info('w', [256, 2], id, 0)], data: Buffer.alloc(length) })).tensors.get('w');
    expect(tensor).toMatchObject({ type, length, shape: [2, 256] });
  });

  it('is read in version 2, and with another alignment', () => {
    const pairs = [pair('general.alignment', TYPE.uint32, u32(256))];
    const bytes = file({ version: 2, pairs, alignment: 256, infos: [info('w', [2], 0, 256)], data: Buffer.alloc(264) });
    expect(parse(bytes)).toMatchObject({ version: 2, alignment: 256, dataOffset: 256 });
    expect(parse(bytes).tensors.get('w')?.offset).toBe(512);
  });

  it('may stand alone: without tensors there is no data section to reach', () => {
    expect(parse(file({ pairs: [pair('a', TYPE.bool, Buffer.of(0))] })).tensors.size).toBe(0);
  });

  it('is read from disk, however long it is', async () => {
    const words = Array.from({ length: 100_000 }, (_, i) => `word ${i}`);
    const big = file({
      pairs: [pair('words', TYPE.array, u32(TYPE.string), u64(words.length), ...words.map(text))],
      infos: [info('w', [1], 0, 0)],
      data: Buffer.alloc(4),
    });
    const header = await readGgufHeader(await onDisk(big));
    expect(header.metadata.get('words')).toEqual({ type: 'array', value: { of: 'string', items: words } });
    expect(header.tensors.get('w')?.offset).toBe(big.length - 4);
    expect([...(await readGgufHeader(await onDisk(everything))).metadata]).toEqual([...parse(everything).metadata]);
  });
});

describe('a GGUF file is refused', () => {
  it('when it is cut at any byte', async () => {
    for (let length = 0; length < everything.length; length++) {
      expect(refusal(everything.subarray(0, length)).code, `${length}`).toBe('GGUF_TRUNCATED');
    }
    const target = await onDisk(everything);
    for (const length of [0, 3, 24, 400, everything.length - 1]) {
      await writeFile(target, everything);
      await truncate(target, length);
      await expect(readGgufHeader(target)).rejects.toMatchObject({ code: 'GGUF_TRUNCATED', path: target });
    }
  });

  it('when it is not there, or no file', async () => {
    const folder = await temporaryFolder();
    await expect(readGgufHeader(folder)).rejects.toMatchObject({ code: 'GGUF_UNREADABLE', path: folder });
    await expect(readGgufHeader(path.join(folder, 'none'))).rejects.toMatchObject({ code: 'GGUF_UNREADABLE' });
  });

  it.each([
    ['another magic number', 'GGUF_MAGIC', 'does not begin with', file({ magic: 'GGML' })],
    ['version 1', 'GGUF_VERSION', 'version 1', file({ version: 1 })],
    ['version 4', 'GGUF_VERSION', 'version 4', file({ version: 4 })],
    ['big-endian order', 'GGUF_VERSION', 'big-endian', file({ version: 3 << 24 })],
  ])('for %s', (_, code, message, bytes) => {
    expect(refusal(bytes)).toMatchObject({ code, message: expect.stringContaining(message), path: 'x.gguf' });
  });

  const huge = 2n ** 64n - 1n;
  const nested = (depth: number): Buffer =>
    Buffer.concat([...Array.from({ length: depth }, () => [u32(TYPE.array), u64(1)]).flat(), u32(TYPE.uint8), u64(0)]);
  const padding = Buffer.alloc(4096);
  it.each([
    ['a huge number of tensors', 'GGUF_HEADER', file({ tensorCount: huge })],
    ['more tensors than fit', 'GGUF_TRUNCATED', file({ tensorCount: 1000 })],
    ['a huge number of keys', 'GGUF_HEADER', file({ keyCount: huge })],
    ['more keys than fit', 'GGUF_TRUNCATED', file({ keyCount: 1000 })],
    ['a huge key', 'GGUF_HEADER', file({ keyCount: 1, pairs: [u64(huge), padding] })],
    ['a key beyond the format', 'GGUF_HEADER', file({ pairs: [pair('k'.repeat(65_536), TYPE.bool, Buffer.of(1))] })],
    ['a huge string', 'GGUF_HEADER', file({ pairs: [pair('a', TYPE.string, u64(huge), padding)] })],
    ['a string beyond the file', 'GGUF_TRUNCATED', file({ pairs: [pair('a', TYPE.string, u64(5000), padding)] })],
    ['a huge array', 'GGUF_HEADER', file({ pairs: [pair('a', TYPE.array, u32(TYPE.uint8), u64(huge), padding)] })],
    [
      'an array beyond the file',
      'GGUF_TRUNCATED',
      file({ pairs: [pair('a', TYPE.array, u32(TYPE.float64), u64(513), padding)] }),
    ],
    [
      'an array of more strings than fit',
      'GGUF_TRUNCATED',
      file({ pairs: [pair('a', TYPE.array, u32(TYPE.string), u64(2 ** 52), padding)] }),
    ],
    ['arrays nested without end', 'GGUF_HEADER', file({ pairs: [pair('a', TYPE.array, nested(100))] })],
    [
      'a flood of arrays',
      'GGUF_HEADER',
      file({
        pairs: [pair('a', TYPE.array, u32(TYPE.array), u64(70_000), Buffer.alloc(12 * 70_000))],
      }),
    ],
    ['an unknown value type', 'GGUF_HEADER', file({ pairs: [pair('a', 13, padding)] })],
    ['an unknown item type', 'GGUF_HEADER', file({ pairs: [pair('a', TYPE.array, u32(99), u64(1), padding)] })],
    ['a bool of 2', 'GGUF_HEADER', file({ pairs: [pair('a', TYPE.bool, Buffer.of(2))] })],
    ['text that is not UTF-8', 'GGUF_HEADER', file({ pairs: [pair('a', TYPE.string, u64(1), Buffer.of(0xff))] })],
    ['an empty key', 'GGUF_HEADER', file({ pairs: [pair('', TYPE.bool, Buffer.of(1), padding)] })],
    ['a key that appears twice', 'GGUF_HEADER', file({ pairs: [1, 2].map(() => pair('a', TYPE.bool, Buffer.of(1))) })],
    ['an odd alignment', 'GGUF_HEADER', file({ pairs: [pair('general.alignment', TYPE.uint32, u32(48))] })],
    ['an alignment of zero', 'GGUF_HEADER', file({ pairs: [pair('general.alignment', TYPE.uint32, u32(0))] })],
    ['an alignment that is text', 'GGUF_HEADER', file({ pairs: [pair('general.alignment', TYPE.string, text('32'))] })],
    [
      'a tensor name that appears twice',
      'GGUF_HEADER',
      file({ infos: [1, 2].map(() => info('w', [1], 0, 0)), data: padding }),
    ],
    ['a tensor without a name', 'GGUF_HEADER', file({ infos: [info('', [1], 0, 0)], data: padding })],
    [
      'a tensor name that is too long',
      'GGUF_HEADER',
      file({ infos: [info('w'.repeat(65), [1], 0, 0)], data: padding }),
    ],
    ['no dimensions', 'GGUF_HEADER', file({ infos: [info('w', [], 0, 0)], data: padding })],
    ['five dimensions', 'GGUF_HEADER', file({ infos: [info('w', [1, 1, 1, 1, 1], 0, 0)], data: padding })],
    ['a dimension of zero', 'GGUF_HEADER', file({ infos: [info('w', [4, 0], 0, 0)], data: padding })],
    ['a huge dimension', 'GGUF_HEADER', file({ infos: [info('w', [huge], 0, 0)], data: padding })],
    ['dimensions that overflow', 'GGUF_HEADER', file({ infos: [info('w', [2 ** 40, 2 ** 40], 0, 0)], data: padding })],
    ['rows that are not whole blocks', 'GGUF_HEADER', file({ infos: [info('w', [128, 2], 12, 0)], data: padding })],
    ['a tensor beyond the file', 'GGUF_TRUNCATED', file({ infos: [info('w', [1025], 0, 0)], data: padding })],
    ['an offset beyond the file', 'GGUF_TRUNCATED', file({ infos: [info('w', [1], 0, 4096)], data: padding })],
    ['a huge offset', 'GGUF_TRUNCATED', file({ infos: [info('w', [1], 0, huge - 31n)], data: padding })],
    ['a misaligned offset', 'GGUF_OFFSETS', file({ infos: [info('w', [1], 0, 16)], data: padding })],
    [
      'tensors that overlap',
      'GGUF_OFFSETS',
      file({ infos: [info('v', [9], 0, 32), info('w', [9], 0, 0)], data: padding }),
    ],
    [
      'tensors in the same place',
      'GGUF_OFFSETS',
      file({ infos: [info('v', [1], 0, 0), info('w', [1], 0, 0)], data: padding }),
    ],
  ])('for %s', (_, code, bytes) => {
    expect(refusal(bytes)).toMatchObject({ code, path: 'x.gguf' });
  });

  it.each([
    [13, 'w is Q5_K (type 13)'],
    [39, 'w is MXFP4 (type 39)'],
    [4, 'w is type 4'],
  ])('for tensor type %d, by name', (id, message) => {
    const error = refusal(file({ infos: [info('w', [256], id, 0)], data: padding }));
    expect(error).toMatchObject({ code: 'GGUF_TENSOR_TYPE', message: expect.stringContaining(message) });
    expect(error.hint).toContain('Q4_K');
  });

  it('or read, but never crashes, whatever bytes are changed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(everything.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (changes) => {
          const bytes = Buffer.from(everything);
          for (const [at, byte] of changes) bytes[at] = byte;
          try {
            const { tensors, fileBytes } = parse(bytes);
            for (const { offset, length } of tensors.values()) expect(offset + length).toBeLessThanOrEqual(fileBytes);
          } catch (error) {
            expect((error as SluiceError).code).toMatch(/^GGUF_/);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
