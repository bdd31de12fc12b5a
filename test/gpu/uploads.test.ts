import path from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Gpu, Memory } from '../../src/gpu/index.ts';
import { testGpu } from '../support/gpu.ts';
import { startScript } from '../support/sluice.ts';
import { swiftshader } from '../support/swiftshader.ts';
import { codeOf, wordsOf } from './kernels.ts';

const KIB = 1 << 10;
const MIB = 1 << 20;

let gpu: Gpu;
let target: Memory;
beforeAll(async () => {
  gpu = await testGpu();
  target = gpu.memory.take(12 * MIB, 'target', true);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => gpu.close());

const counted = (bytes: number, first = 1): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Uint32Array.from({ length: bytes / 4 }, (_, i) => first + i).buffer);

describe('an upload', () => {
  it.each([
    [0, 0],
    [4, 0],
    [64 * KIB, 4],
    [64 * KIB + 4, 4],
    [4 * MIB, 0],
    [4 * MIB + 4, 8],
    [11 * MIB, MIB],
  ])('of %i bytes at %i arrives, and nothing else is touched', async (bytes, offset) => {
    const before = new Uint8Array((await wordsOf(gpu, target)).buffer);
    await gpu.uploads.write(target.buffer, offset, counted(bytes));
    const expected = before.slice();
    expected.set(counted(bytes), offset);
    const found = new Uint8Array((await wordsOf(gpu, target)).buffer);
    expect(Buffer.compare(found, expected)).toBe(0);
  });

  it('takes memory that threads share, and a part of an array', async () => {
    for (const bytes of [16, 100 * KIB]) {
      const shared = new Uint8Array(new SharedArrayBuffer(bytes + 4)).subarray(4);
      shared.set(counted(bytes, 7));
      await gpu.uploads.write(target.buffer, 0, shared);
      const found = await wordsOf(gpu, target);
      expect(found.slice(0, bytes / 4)).toEqual(new Uint32Array(counted(bytes, 7).buffer));
    }
  });

  it('is seen in the order of writing, whatever the sizes', async () => {
    const small = gpu.memory.take(400_000, 'small', true);
    const piece = fc.record({ words: fc.constantFrom(1, 16_384, 16_385, 40_000), at: fc.nat({ max: 60_000 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
        const expected = await wordsOf(gpu, small);
        for (const [i, { words, at }] of pieces.entries()) {
          const values = new Uint32Array(words).fill(i);
          expected.set(values, at);
          await gpu.uploads.write(small.buffer, 4 * at, new Uint8Array(values.buffer));
        }
        const found = await wordsOf(gpu, small);
        expect(found.findIndex((word, at) => word !== expected[at])).toBe(-1);
      }),
      { numRuns: 20 },
    );
    small.free();
  });

  it.each([
    [6, 0, '6 bytes at 0: a GPU copies multiples of 4 bytes.'],
    [8, 2, '8 bytes at 2: a GPU copies multiples of 4 bytes.'],
    [8, 12 * MIB - 4, `8 bytes at ${12 * MIB - 4} lie outside target, of ${12 * MIB} bytes.`],
    [8, -8, `8 bytes at -8 lie outside target, of ${12 * MIB} bytes.`],
    [8, Number.NaN, '8 bytes at NaN: a GPU copies multiples of 4 bytes.'],
  ])('of %i bytes at %i is refused before anything is copied', async (bytes, offset, message) => {
    await expect(gpu.uploads.write(target.buffer, offset, new Uint8Array(bytes))).rejects.toThrow(message);
  });

  it.each([16, 5 * MIB])('of %i bytes into memory that was freed is refused, and the next goes on', async (bytes) => {
    const gone = gpu.memory.take(6 * MIB, 'gone', true);
    gone.free();
    for (let i = 0; i < 5; i++) {
      expect(await codeOf(gpu.uploads.write(gone.buffer, 0, new Uint8Array(bytes)))).toBe('GPU_INVALID');
    }
    expect(await codeOf(gpu.uploads.write(target.buffer, 0, counted(bytes)))).toBe('no error');
    expect(gpu.lost).toBeUndefined();
  });

  it('goes through three buffers, by turns, however many write at once', async () => {
    const other = await testGpu();
    const create = vi.spyOn(other.device, 'createBuffer');
    const written = Array.from({ length: 4 }, (_, i) => other.memory.take(9 * MIB, `${i}`, true));
    await Promise.all(written.map(({ buffer }, i) => other.uploads.write(buffer, 0, counted(9 * MIB, i))));
    for (const [i, memory] of written.entries()) {
      const found = await wordsOf(other, memory);
      expect(found.findIndex((word, at) => word !== i + at)).toBe(-1);
    }
    const staging = create.mock.calls.filter(([{ label }]) => label === 'upload');
    expect(staging.map(([{ size }]) => size)).toEqual([4 * MIB, 4 * MIB, 4 * MIB]);
    create.mockClear();
    const copies = vi.spyOn(GPUCommandEncoder(other), 'copyBufferToBuffer');
    await other.uploads.write(written[0]!.buffer, 0, counted(9 * MIB));
    expect(new Set(copies.mock.calls.map(([from]) => from)).size, 'while one is copied the next is filled').toBe(3);
    other.close();
  });

  it('in small pieces hands them over before many wait', async () => {
    let waiting = 0;
    let most = 0;
    const { queue } = gpu.device;
    const [write, submit] = [queue.writeBuffer.bind(queue), queue.submit.bind(queue)];
    vi.spyOn(queue, 'writeBuffer').mockImplementation((buffer, offset, data: Uint8Array) => {
      waiting += data.byteLength;
      most = Math.max(most, waiting);
      write(buffer, offset, data as Uint8Array<ArrayBuffer>);
    });
    vi.spyOn(queue, 'submit').mockImplementation((commands) => {
      waiting = 0;
      submit(commands);
    });
    const pieces = Array.from({ length: 400 }, (_, i) => counted(60 * KIB, i));
    await Promise.all(pieces.map((bytes, i) => gpu.uploads.write(target.buffer, (i % 100) * 60 * KIB, bytes)));
    expect(most).toBeGreaterThan(MIB);
    expect(most).toBeLessThanOrEqual(4 * MIB + 64 * KIB);
    const found = await wordsOf(gpu, target);
    expect([found[0], found[99 * 15 * KIB]]).toEqual([300, 399]);
  });

  it('of 100 MB takes less than 40 MB of the process, in chunks and in small pieces', async () => {
    const { env, remove } = await swiftshader();
    const script = path.join(import.meta.dirname, '../fixtures/gpu/uploadMemory.ts');
    const { stdout } = await startScript(script, [], { env }).ended;
    await remove();
    const { inChunks, inPieces } = JSON.parse(stdout);
    expect(inChunks).toBeLessThan(40);
    expect(inPieces).toBeLessThan(40);
  });
});

/** The prototype of a device's encoders. */
function GPUCommandEncoder({ device }: Gpu): GPUCommandEncoder {
  return Object.getPrototypeOf(device.createCommandEncoder());
}
