import { parseSafetensorsMetadata } from '@huggingface/hub';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safetensorsChunks, safetensorsHeader, type TensorData } from '../../../src/formats/safetensors/write.ts';

const f32 = (name: string, values: number[]): TensorData => ({
  name,
  dtype: 'F32',
  shape: [values.length],
  chunks: [new Uint8Array(Float32Array.from(values).buffer)],
});

const joined = (chunks: Iterable<Uint8Array>): Buffer => Buffer.concat([...chunks]);

describe('safetensors files', () => {
  it('are these bytes', () => {
    const tensors: TensorData[] = [
      { name: 'b', dtype: 'U8', shape: [3], chunks: [Uint8Array.of(7), Uint8Array.of(8, 9)] },
      { name: 'n', dtype: 'I32', shape: [1], chunks: [Uint8Array.of(1, 0, 0, 0)] },
      f32('z', [1]),
      f32('a', [2]),
    ];
    const json =
      '{"__metadata__":{"a":"x","format":"t"},' +
      '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' +
      '"z":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},' +
      '"n":{"dtype":"I32","shape":[1],"data_offsets":[8,12]},' +
      '"b":{"dtype":"U8","shape":[3],"data_offsets":[12,15]}}';
    const padded = json.padEnd(Math.ceil(json.length / 8) * 8, ' ');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(padded.length));
    const data = Buffer.from('000000400000803f01000000070809', 'hex');
    expect(joined(safetensorsChunks(tensors, { format: 't', a: 'x' }))).toEqual(
      Buffer.concat([length, Buffer.from(padded), data]),
    );
  });

  it('do not depend on the order of tensors and metadata, nor on how the content is divided', () => {
    const content = Uint8Array.from({ length: 64 }, (_, i) => i);
    const tensor = (name: string, cuts: number[]): TensorData => {
      const edges = [0, ...cuts.toSorted((a, b) => a - b), 64];
      return {
        name,
        dtype: 'F32',
        shape: [4, 4],
        chunks: edges.slice(1).map((end, i) => content.subarray(edges[i], end)),
      };
    };
    const cuts = fc.array(fc.integer({ min: 0, max: 64 }));
    fc.assert(
      fc.property(cuts, cuts, (one, other) => {
        const first = joined(safetensorsChunks([tensor('10', one), tensor('9', other)], { b: '1', a: '2' }));
        const second = joined(safetensorsChunks([tensor('9', []), tensor('10', [])], { a: '2', b: '1' }));
        expect(first).toEqual(second);
      }),
    );
  });

  it('are understood by an independent reader', async () => {
    const tensors = [f32('w', [1, 2, 3]), { name: 'bytes', dtype: 'U8', shape: [0], chunks: [] } as const];
    const blob = new Blob([Buffer.concat([...safetensorsChunks(tensors, { format: 'test', 'a "quoted" key': 'ä' })])]);
    const { header } = await parseSafetensorsMetadata({
      repo: 'any/one',
      path: 'x.safetensors',
      fetch: blobServer(blob),
    }).then((parsed) => parsed as { header: Record<string, unknown> });
    expect(header).toEqual({
      __metadata__: { format: 'test', 'a "quoted" key': 'ä' },
      w: { dtype: 'F32', shape: [3], data_offsets: [0, 12] },
      bytes: { dtype: 'U8', shape: [0], data_offsets: [12, 12] },
    });
  });

  it.each([
    ['a name used twice', () => safetensorsHeader([f32('a', []), f32('a', [])])],
    ['the reserved name', () => safetensorsHeader([f32('__metadata__', [])])],
    ['a negative side', () => safetensorsHeader([{ name: 'a', dtype: 'F32', shape: [-1] }])],
    [
      'too little content',
      () => joined(safetensorsChunks([{ name: 'a', dtype: 'I32', shape: [2], chunks: [new Uint8Array(4)] }])),
    ],
    [
      'too much content',
      () => joined(safetensorsChunks([{ name: 'a', dtype: 'U8', shape: [2], chunks: [new Uint8Array(4)] }])),
    ],
  ])('refuse %s', (_, write) => {
    expect(write).toThrow(expect.objectContaining({ code: 'BAD_TENSOR' }));
  });
});

/** Answers every request with ranges of one blob. */
function blobServer(blob: Blob): typeof fetch {
  return async (_url, init) => {
    const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('range') ?? '');
    const body = range === null ? blob : blob.slice(Number(range[1]), Number(range[2]) + 1);
    const headers = {
      'content-range': `bytes ${range?.[1] ?? 0}-${range?.[2] ?? blob.size - 1}/${blob.size}`,
      etag: '"x"',
    };
    return new Response(body, { status: 206, headers });
  };
}
