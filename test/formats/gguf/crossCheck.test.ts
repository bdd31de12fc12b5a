import path from 'node:path';
import { GGMLQuantizationType, gguf } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import { writeGgufFile } from '../../../src/formats/gguf/file.ts';
import { readGgufHeader } from '../../../src/formats/gguf/read.ts';
import { type GgufValue, tensorTypeIds } from '../../../src/formats/gguf/types.ts';
import { blockBytes, blockLayouts, blockTypes } from '../../../src/kernels/blocks/layout.ts';
import { temporaryFolder } from '../../sinks/flow.ts';

describe('a file of ours, read by the gguf package of npm', () => {
  it('gives the same metadata, tensors and data offset', async () => {
    const metadata = new Map<string, GgufValue>([
      ['general.architecture', { type: 'string', value: 'llama' }],
      ['general.alignment', { type: 'uint32', value: 64 }],
      ['llama.rope.freq_base', { type: 'float32', value: 10_000 }],
      ['a.bool', { type: 'bool', value: true }],
      ['a.long', { type: 'int64', value: -5n }],
      ['a.double', { type: 'float64', value: Math.PI }],
      ['a.words', { type: 'array', value: { of: 'string', items: ['ä', '', 'c'] } }],
      ['a.bytes', { type: 'array', value: { of: 'int8', items: Int8Array.of(-1, 2) } }],
      [
        'a.nested',
        { type: 'array', value: { of: 'array', items: [{ of: 'uint16', items: Uint16Array.of(1, 65_535) }] } },
      ],
    ]);
    const tensors = blockTypes.map((type, i) => {
      const shape = [i + 1, 2 * blockLayouts[type].values];
      const bytes = blockBytes(type, (i + 1) * 2 * blockLayouts[type].values);
      return { name: `blk.${i}.${type}`, type, shape, chunks: [new Uint8Array(bytes)] };
    });
    const file = path.join(await temporaryFolder(), 'm.gguf');
    await writeGgufFile(file, metadata, tensors);

    const theirs = await gguf(file, { allowLocalFile: true });
    expect(theirs.metadata).toEqual({
      version: 3,
      tensor_count: 6n,
      kv_count: 9n,
      'general.architecture': 'llama',
      'general.alignment': 64,
      'llama.rope.freq_base': 10_000,
      'a.bool': true,
      'a.long': -5n,
      'a.double': Math.PI,
      'a.words': ['ä', '', 'c'],
      'a.bytes': [-1, 2],
      'a.nested': [[1, 65_535]],
    });
    const ours = await readGgufHeader(file);
    expect(Number(theirs.tensorDataOffset)).toBe(ours.dataOffset);
    expect(
      theirs.tensorInfos.map(({ name, shape, dtype, offset }) => ({
        name,
        shape: shape.map(Number).reverse(),
        dtype,
        offset: Number(theirs.tensorDataOffset + offset),
      })),
    ).toEqual(
      [...ours.tensors.values()].map(({ name, shape, type, offset }) => ({
        name,
        shape,
        dtype: tensorTypeIds[type],
        offset,
      })),
    );
  });

  it('agrees about the numbers of the tensor types', () => {
    for (const type of blockTypes) expect(tensorTypeIds[type]).toBe(GGMLQuantizationType[type]);
  });
});
