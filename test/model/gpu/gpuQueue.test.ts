import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { DeviceResult, PassRequest } from '../../../src/model/devices/deviceProtocol.ts';
import { type BatchSession, GpuQueue } from '../../../src/model/gpu/gpuQueue.ts';
import type { GpuPass } from '../../../src/model/gpu/gpuSession.ts';

const RING = 8;

/** A device that keeps, in each slot, whose keys lie there and how many were written. Tokens name their document. */
class Device implements BatchSession {
  readonly slots: number;
  readonly batchTokens: number;
  readonly batches: GpuPass[][] = [];
  readonly #rings: (Int32Array | undefined)[];
  /** Slots that batches in flight read and write. */
  readonly #busy = new Set<number>();
  moved = 0;
  /** How long it computes. */
  during: () => Promise<unknown> = () => new Promise(setImmediate);

  constructor(slots: number, batchTokens: number) {
    this.slots = slots;
    this.batchTokens = batchTokens;
    this.#rings = Array.from({ length: slots });
  }

  async run(passes: readonly GpuPass[]): Promise<DeviceResult[]> {
    this.batches.push([...passes]);
    const results = passes.map(({ task, past, written, slot }) => {
      const { tokens, carry, pastRows } = task;
      expect(past).toBe(pastRows);
      if (past > 0) expect(this.#rings[slot!]).toEqual(Int32Array.of(tokens[0]!, written));
      if (carry) this.#rings[slot!] = Int32Array.of(tokens[0]!, written + tokens.length);
      const values = new Float32Array(tokens.length).fill(tokens[0]!);
      return { entropies: values, norms: values, nextRows: carry ? Math.min(past + tokens.length, RING) : 0 };
    });
    const slots = passes.map(({ slot }) => slot).filter((slot) => slot !== undefined);
    for (const slot of slots) {
      expect(this.#busy.has(slot)).toBe(false);
      this.#busy.add(slot);
    }
    await this.during();
    for (const slot of slots) this.#busy.delete(slot);
    return results;
  }

  async store(slot: number): Promise<readonly Uint8Array[]> {
    expect(this.#busy.has(slot)).toBe(false);
    this.moved++;
    return [new Uint8Array(this.#rings[slot]!.slice().buffer)];
  }

  async restore(slot: number, [stored]: readonly Uint8Array[]): Promise<void> {
    expect(this.#busy.has(slot)).toBe(false);
    this.#rings[slot] = new Int32Array(stored!.slice().buffer);
  }
}

function request(document: number, tokens: number, pastRows: number, carry: boolean): PassRequest {
  const task = {
    tokens: new Int32Array(tokens).fill(document),
    position: 0,
    pastRows,
    carry,
    preNorm: false,
    logits: false,
  };
  return { kind: 'pass', document, priority: document, task };
}

/** All pieces of a document, one after the other. */
async function whole(queue: GpuQueue, document: number, pieces: readonly number[]): Promise<void> {
  let rows = 0;
  for (const [i, tokens] of pieces.entries()) {
    const result = await queue.pass(request(document, tokens, rows, i + 1 < pieces.length));
    expect([...result.entropies]).toEqual(Array(tokens).fill(document));
    rows = result.nextRows;
  }
}

describe('batches of passes', () => {
  it('give every document its own keys, however few slots there are, and keep to the budget of tokens', async () => {
    const shapes = fc.record({
      documents: fc.array(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }), { maxLength: 9 }),
      slots: fc.integer({ min: 1, max: 4 }),
      batchTokens: fc.integer({ min: 1, max: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ documents, slots, batchTokens }) => {
        const device = new Device(slots, batchTokens);
        const queue = new GpuQueue(device);
        await Promise.all(documents.map((pieces, document) => whole(queue, document, pieces)));
        for (const batch of device.batches) {
          const tokens = batch.reduce((sum, { task }) => sum + task.tokens.length, 0);
          expect(batch.length === 1 || tokens <= batchTokens).toBe(true);
        }
        // all slots are free again: as many documents as there are slots find room without any being moved
        const before = device.moved;
        await Promise.all(Array.from({ length: slots }, (_, i) => whole(queue, 100 + i, [3, 3])));
        expect(device.moved).toBe(before);
      }),
      { numRuns: 60 },
    );
  });

  it('hold passes that wait together, the smallest number first', async () => {
    const device = new Device(4, 10);
    const queue = new GpuQueue(device);
    await Promise.all([5, 3, 9, 1].map((document) => whole(queue, document, [4])));
    const batches = device.batches.map((batch) => batch.map(({ task }) => task.tokens[0]));
    expect(batches).toEqual([
      [1, 3],
      [5, 9],
    ]);
  });

  it('do not wait for documents that were left in the middle: their keys make room', async () => {
    const device = new Device(2, 100);
    const queue = new GpuQueue(device);
    const left = [1, 2].map((document) => queue.pass(request(document, 5, 0, true)));
    await Promise.all(left);
    await whole(queue, 3, [5, 5, 5]);
    expect(device.moved).toBe(1);
    // and whoever comes back finds his own
    await Promise.all([1, 2].map((document) => queue.pass(request(document, 5, 5, false))));
    queue.forget(1);
  });

  it('that the device cannot compute fail their passes; others go on', async () => {
    const device = new Device(2, 5);
    const run = device.run.bind(device);
    device.run = async (passes) => {
      if (passes.some(({ task }) => task.tokens[0] === 7)) throw new Error('no');
      return run(passes);
    };
    const queue = new GpuQueue(device);
    const failed = whole(queue, 7, [5]);
    await expect(failed).rejects.toThrow('no');
    await whole(queue, 8, [5, 5]);
  });

  it('forget a document while a pass of it is computed: until that is done, nobody else gets its slot', async () => {
    const device = new Device(1, 100);
    const queue = new GpuQueue(device);
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    device.during = () => finished;
    const pass = queue.pass(request(1, 5, 0, true));
    await vi.waitUntil(() => device.batches.length === 1);
    queue.forget(1);
    const other = whole(queue, 2, [5, 5]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(device.batches.length).toBe(1);
    finish();
    expect((await pass).nextRows).toBe(5);
    await other;
    expect(device.moved).toBe(0);
    expect(device.batches.map((batch) => batch.length)).toEqual([1, 1, 1]);
  });

  it('refuse to continue rows that are not there: the numbers would be others', async () => {
    const device = new Device(2, 100);
    const queue = new GpuQueue(device);
    await expect(queue.pass(request(1, 5, 5, false))).rejects.toThrow('continues 5 rows of document 1');
    await expect(queue.pass(request(1, 5, 5, true))).rejects.toThrow('of which there are 0');
    await queue.pass(request(2, 5, 0, true));
    const next = queue.pass(request(2, 5, 5, false));
    queue.forget(2);
    const [refused] = await Promise.allSettled([next, whole(queue, 3, [5, 5])]);
    expect(refused).toMatchObject({ status: 'rejected' });
    expect(device.batches.flat().map(({ task }) => task.tokens[0])).toEqual([2, 3, 3]);
  });

  it('go on however soon the device answers', async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const device = new Device(1, 100);
      device.during = async () => {
        for (let i = 0; i < ticks; i++) await undefined;
      };
      const queue = new GpuQueue(device);
      await Promise.all([1, 2, 3].map((document) => queue.pass(request(document, 5, 0, true))));
    }
  });

  it('leave slots to those who hold them and go on a little later', async () => {
    const device = new Device(2, 100);
    const queue = new GpuQueue(device);
    const slow = async (document: number): Promise<void> => {
      for (let piece = 0; piece < 4; piece++) {
        await queue.pass(request(document, 5, Math.min(5 * piece, RING), piece < 3));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await Promise.all([1, 2, 3, 4].map(slow));
    expect(device.moved).toBe(0);
  });

  it('that the device failed to move fail those that wait', async () => {
    const device = new Device(1, 100);
    device.store = async () => {
      throw new Error('no memory');
    };
    const queue = new GpuQueue(device);
    await queue.pass(request(1, 5, 0, true));
    await expect(whole(queue, 2, [5, 5])).rejects.toThrow('no memory');
    await queue.pass(request(1, 5, 5, false));
    await whole(queue, 2, [5, 5]);
  });
});
