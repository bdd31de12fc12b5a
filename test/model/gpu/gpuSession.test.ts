import { afterAll, describe, expect, it } from 'vitest';
import type { ForwardTask } from '../../../src/model/cpu/forward.ts';
import { GpuQueue } from '../../../src/model/gpu/gpuQueue.ts';
import { GpuSession } from '../../../src/model/gpu/gpuSession.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { type Forward, streamBytes } from '../../../src/model/stream.ts';
import { testAdapter } from '../../support/gpu.ts';
import { testSession } from '../cpu/session.ts';
import { goldenModel, largestDifference, prose } from '../golden.ts';
import { TOLERANCE } from '../goldenChecks.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';

const sessions: GpuSession[] = [];
afterAll(() => {
  for (const session of sessions) session.close();
});

/** Passes of documents on the GPU of this machine. */
async function passesOn(path: string): Promise<(document: number) => Forward> {
  const session = await GpuSession.open(await readModelFile(path), { adapter: await testAdapter() });
  sessions.push(session);
  const queue = new GpuQueue(session);
  return (document) =>
    async ({ past, into: _, ...task }: ForwardTask) => {
      const pastRows = past?.rows ?? 0;
      const result = await queue.pass({ kind: 'pass', document, priority: document, task: { ...task, pastRows } });
      const next = { rows: result.nextRows, data: new Float32Array(new SharedArrayBuffer(0)) };
      return { ...result, next: result.nextRows === 0 ? undefined : next };
    };
}

async function entropiesOf(bytes: Uint8Array, forward: Forward, pieceTokens: number, lapPositions?: number) {
  const entropies: number[] = [];
  const pieces = streamBytes(bytes, forward, { dim: 0, preNorm: false, pieceTokens, lapPositions });
  for await (const piece of pieces) entropies.push(...piece.entropies);
  return entropies;
}

describe('a document on a GPU whose positions restart', () => {
  it('gets the numbers of one long pass, and the same bits beside others that restart elsewhere', async () => {
    const forward = await passesOn(goldenModel('w24-bf16'));
    const pieces = [30, 40, 50];
    const restarted = (pieceTokens: number) => entropiesOf(prose(300), forward(pieceTokens), pieceTokens, 100);
    const alone: number[][] = [];
    for (const pieceTokens of pieces) alone.push(await restarted(pieceTokens));
    expect(await Promise.all(pieces.map(restarted))).toEqual(alone);
    const straight = await entropiesOf(prose(300), forward(0), 301);
    for (const entropies of alone) {
      expect(entropies.length).toBe(300);
      expect(largestDifference(entropies, straight)).toBeLessThan(TOLERANCE.entropy);
    }
  });
});

/** Cuts the float32 of every second tensor to the upper half of its bits. */
function mixed(tensors: Parameters<NonNullable<Parameters<typeof modelFolder>[1]>>[0]): void {
  for (const [i, tensor] of Object.values(tensors).entries()) {
    if (i % 2 === 0) continue;
    const halves = new Uint16Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length / 2);
    tensor.dtype = 'BF16';
    tensor.data = new Uint8Array(halves.filter((_, half) => half % 2 === 1).buffer);
  }
}

describe('a model of unusual shape on a GPU', () => {
  it.each([
    ['rows that are no multiple of four, in two types', { dim: 30, n_heads: 3 }, mixed],
    ['an odd hidden layer', { multiple_of: 1, ffn_dim_multiplier: 1.01 }, undefined],
    ['a window of one', { sliding_window: 1 }, undefined],
    ['heads of two that share one key', { head_dim: 2, n_heads: 5, n_kv_heads: 1 }, undefined],
  ])('computes what the CPU does: %s', async (_, args, change) => {
    const path = modelFolder({ ...smallArgs, ...args }, change);
    const cpu = await testSession(path);
    const forward = await passesOn(path);
    const expected = await entropiesOf(prose(100), (task) => cpu.run(task), 30);
    const found = await entropiesOf(prose(100), forward(0), 30);
    expect(found.length).toBe(100);
    expect(largestDifference(found, expected)).toBeLessThan(TOLERANCE.entropy);
    await cpu.close();
  });
});
