import { execFile } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBlocks } from '../../../src/kernels/blocks/decodeBlocks.ts';
import { BlockDecoder } from '../../../src/kernels/blocks/decoder.ts';
import { type BlockType, blockBytes, blockLayouts, blockTypes } from '../../../src/kernels/blocks/layout.ts';
import type { Order } from './decodeWorker.ts';
import { anyBlock, bits } from './fields.ts';

const PAGE = 65_536;
const memory = new WebAssembly.Memory({ initial: 12, maximum: 16, shared: true });
const decoder = new BlockDecoder(memory);

function plain(type: BlockType, bytes: Uint8Array, values: number): Float32Array {
  const target = new Float32Array(values);
  decodeBlocks(type, bytes, target);
  return target;
}

/** Decodes in the shared memory at these addresses, and checks that nothing around the target is touched. */
function inMemory(type: BlockType, bytes: Uint8Array, values: number, source: number, target: number): Float32Array {
  const whole = new Uint8Array(memory.buffer);
  whole.fill(0xa5);
  whole.set(bytes, source);
  decoder.decode(type, source, target, values);
  expect(whole.subarray(target - 64, target).every((byte) => byte === 0xa5)).toBe(true);
  const end = target + 4 * values;
  expect(whole.subarray(end, end + 64).every((byte) => byte === 0xa5)).toBe(true);
  return new Float32Array(whole.slice(target, end).buffer);
}

describe('the SIMD decoder gives bit for bit what the plain one gives', () => {
  it.each(blockTypes)('for any blocks, at any address: %s', (type) => {
    const { values } = blockLayouts[type];
    const blocks = fc.array(anyBlock[type], { minLength: 1, maxLength: values === 1 ? 100 : 4 });
    fc.assert(
      fc.property(blocks, fc.nat(40), fc.nat(10), (list, shift, words) => {
        const bytes = Buffer.concat(list.map((block) => block.bytes));
        const decoded = inMemory(type, bytes, list.length * values, 1 + shift, PAGE + 4 * words);
        expect(bits(decoded)).toEqual(bits(plain(type, bytes, list.length * values)));
      }),
    );
  });

  it.each(['F16', 'BF16'] as const)('for every number there is, in any company: %s', (type) => {
    const every = Uint16Array.from({ length: PAGE }, (_, i) => i);
    // a stride that is no multiple of a vector puts numbers of every kind side by side
    const mixed = every.map((_, i) => Math.imul(i, 40_503));
    for (const list of [every, mixed]) {
      const bytes = new Uint8Array(list.buffer);
      expect(bits(inMemory(type, bytes, PAGE, 1, 3 * PAGE))).toEqual(bits(plain(type, bytes, PAGE)));
    }
  });

  it.each(['Q8_0', 'Q4_K', 'Q6_K'] as const)('for every scale there is: %s', (type) => {
    const { values, bytes: size } = blockLayouts[type];
    const places = { Q8_0: [0], Q4_K: [0, 2], Q6_K: [208] }[type];
    const block = Uint8Array.from({ length: size }, (_, i) => (i * 89 + 7) & 255);
    for (let from = 0; from < PAGE; from += 128) {
      const bytes = Buffer.concat(
        Array.from({ length: 128 }, (_, i) => {
          const copy = Buffer.from(block);
          for (const place of places) copy.writeUInt16LE((from + i) ^ (place === 2 ? 0x1357 : 0), place);
          return copy;
        }),
      );
      const expected = plain(type, bytes, 128 * values);
      new Uint8Array(memory.buffer).set(bytes, 0);
      decoder.decode(type, 0, PAGE, 128 * values);
      const found = new Float32Array(memory.buffer, PAGE, 128 * values);
      for (let i = 0; i < found.length; i++) {
        if (!Object.is(found[i], expected[i])) expect.fail(`scale ${from}: ${found[i]} is not ${expected[i]}`);
      }
    }
  });

  it.each(['F32', 'F16', 'BF16'] as const)('for any number of values: %s', (type) => {
    for (let values = 0; values <= 70; values++) {
      const bytes = Uint8Array.from({ length: blockBytes(type, values) }, (_, i) => (i * 53) & 0x7b);
      expect(bits(inMemory(type, bytes, values, 3, PAGE))).toEqual(bits(plain(type, bytes, values)));
    }
  });

  it('from several threads at once, in the same memory', async () => {
    const shared = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
    const blocks = 1200;
    const bytes = Uint8Array.from({ length: blocks * 144 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24);
    new Uint8Array(shared.buffer).set(bytes);
    const start = 4 * PAGE;
    const workers = [0, 1, 2].map((part) => {
      const worker = new Worker(path.join(import.meta.dirname, 'decodeWorker.ts'));
      const calls = Array.from({ length: blocks / 3 }, (_, i) => {
        const block = 3 * i + part;
        return ['Q4_K', block * 144, start + block * 1024, 256] as const;
      });
      worker.postMessage({ memory: shared, calls } satisfies Order);
      return worker;
    });
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await Promise.all(workers.map((worker) => worker.terminate()));
    const found = new Float32Array(new Uint8Array(shared.buffer).slice(start, start + blocks * 1024).buffer);
    expect(bits(found)).toEqual(bits(plain('Q4_K', bytes, blocks * 256)));
  });
});

describe('the SIMD decoder', () => {
  it('reaches to the very end of its memory, and no further', () => {
    const small = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
    const own = new BlockDecoder(small);
    new Uint8Array(small.buffer).set([0, 0x3c, 0, 0xc0]);
    own.decode('F16', 0, PAGE - 8, 2);
    expect([...new Float32Array(small.buffer, PAGE - 8, 2)]).toEqual([1, -2]);
    expect(() => own.decode('F16', 0, PAGE - 4, 2)).toThrow(RangeError);
  });

  it.each<[string, BlockType, number, number, number]>([
    ['half a block', 'Q4_K', 0, PAGE, 128],
    ['a broken number of values', 'F16', 0, PAGE, 1.5],
    ['less than nothing', 'F16', 0, PAGE, -1],
    ['a source before the memory', 'F16', -2, PAGE, 1],
    ['a source beyond the memory', 'Q8_0', 12 * PAGE - 33, 0, 32],
    ['a target beyond the memory', 'Q8_0', 0, 12 * PAGE - 124, 32],
    ['a target beside the grid', 'Q8_0', 0, 66, 32],
    ['a broken address', 'Q8_0', 0.5, PAGE, 32],
    ['an address that is none', 'Q8_0', Number.NaN, PAGE, 32],
    ['a target over the source', 'Q8_0', 64, 0, 32],
    ['a source over the end of the target', 'F16', 128, 0, 64],
  ])('refuses %s', (_, type, source, target, values) => {
    expect(() => decoder.decode(type, source, target, values)).toThrow(RangeError);
  });

  it('is what its source compiles to', async () => {
    const script = path.join(import.meta.dirname, '../../../tools/wasm/build.mjs');
    await promisify(execFile)(process.execPath, [script, '--check']);
  });
});
