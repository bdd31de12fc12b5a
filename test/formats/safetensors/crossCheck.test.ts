import library from 'safetensors';
import { describe, expect, it } from 'vitest';
import { safetensorsChunks } from '../../../src/formats/safetensors/write.ts';

describe('a file of ours, read by the safetensors package of npm (which knows no metadata)', () => {
  it('gives the tensors back: names, types, shapes, bytes', () => {
    const values = Float32Array.of(1.5, -2, 3.25, 0, 5, 6);
    const bytes = new Uint8Array(values.buffer);
    const lengths = new Uint8Array(Int32Array.of(7, 8, 9).buffer);
    const tensors = [
      { name: 'patch_lengths', dtype: 'I32', shape: [3], chunks: [lengths] },
      { name: 'embeddings', dtype: 'F32', shape: [3, 2], chunks: [bytes.subarray(0, 10), bytes.subarray(10)] },
      { name: 'bytes', dtype: 'U8', shape: [5], chunks: [new TextEncoder().encode('bytes')] },
    ] as const;
    // The package reads from the start of the underlying buffer, so the file must have one of its own.
    const file = Uint8Array.from([...safetensorsChunks(tensors)].flatMap((chunk) => [...chunk]));
    const read = new library.SafeTensor(file);
    expect([...read.metadata.keys()]).toEqual(['embeddings', 'patch_lengths', 'bytes']);
    expect(read.metadata.get('embeddings')).toMatchObject({ dtype: 'F32', shape: [3, 2] });
    expect(new Float32Array(read.getTensor('embeddings').slice().buffer)).toEqual(values);
    expect(new Int32Array(read.getTensor('patch_lengths').slice().buffer)).toEqual(Int32Array.of(7, 8, 9));
    expect(new TextDecoder().decode(read.getTensor('bytes'))).toBe('bytes');
  });
});
