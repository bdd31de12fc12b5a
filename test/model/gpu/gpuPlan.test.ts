import { describe, expect, it } from 'vitest';
import { DeviceError } from '../../../src/errors.ts';
import type { PoolTask } from '../../../src/model/cpu/forward.ts';
import type { DeviceTask } from '../../../src/model/devices/deviceProtocol.ts';
import { type GpuPass, GpuSession } from '../../../src/model/gpu/gpuSession.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';

/** On the null device: nothing is computed, and all memory is taken as on any other. */
async function sessionWith(
  args: Record<string, unknown>,
  memoryBytes: number,
  profile = false,
): Promise<GpuSession | undefined> {
  const file = await readModelFile(modelFolder({ ...smallArgs, ...args }));
  return GpuSession.open(file, { adapter: 'null', memoryBytes, profile }).catch((error) => {
    expect(error).toBeInstanceOf(DeviceError);
    expect(error.code).toBe('GPU_MEMORY');
    return undefined;
  });
}

/** All that a pass may ask for, every byte a patch; positions restart. */
function passOf(tokens: number, slot: number | undefined, ringRows: number): GpuPass {
  const state = { offset: 9, length: 1, entropy: 0, id: 70, idBefore: 70 };
  const pool: PoolTask = {
    rule: { mode: 'byte', maxLength: 1 << 20 },
    state,
    pending: 1,
    first: false,
    last: false,
  };
  const past = slot === undefined ? 0 : ringRows;
  const task: DeviceTask = {
    tokens: new Int32Array(tokens).fill(70),
    position: past,
    pastRows: past,
    rebase: 5,
    carry: slot !== undefined,
    preNorm: true,
    logits: true,
    pool,
  };
  return { task, past, written: past, slot };
}

const MODELS: Record<string, Record<string, unknown>> = {
  plain: {},
  'with a window of one': { sliding_window: 1 },
  'with a wide window': { sliding_window: 131_072, n_layers: 1, dim: 2, n_heads: 1 },
  'with a long vocabulary': { vocab_size: 3000 },
  'whose feed-forward layer is the widest': { multiple_of: 1024 },
  'whose states are all there is': { dim: 64, head_dim: 2, n_heads: 2, ffn_dim_multiplier: 0.02, multiple_of: 1 },
};

describe.each(Object.keys(MODELS))('the memory that is planned for a model %s', (name) => {
  it('is enough for whatever comes, whatever the budget', async () => {
    const args = MODELS[name]!;
    let opened = 0;
    for (const memoryBytes of [200_000, 700_000, 1_300_000, 3_100_000, 7_700_000, 23_000_000]) {
      const session = await sessionWith(args, memoryBytes);
      if (session === undefined) continue;
      opened++;
      const { slots, batchTokens, mostPieceTokens } = session;
      const ringRows = Math.min((args['sliding_window'] as number | undefined) ?? 9, 200) - 1;
      const short = Array.from({ length: batchTokens }, (_, i) => passOf(1, i < slots ? i : undefined, ringRows));
      const longest = () => [passOf(mostPieceTokens, 0, ringRows)];
      // as many as a queue has in flight at once
      await Promise.all([longest(), short, longest(), short].map((passes) => session.run(passes)));
      expect(session.gpu.memory.counts.peak).toBeLessThanOrEqual(memoryBytes);
      session.close();
    }
    expect(opened).toBeGreaterThan(1);
  });
});

describe('a budget that is more than the device has', () => {
  it('is refused when the model is opened, not at the first batch that needs it', async () => {
    // the null device has 512 MiB
    const args = { dim: 8, n_heads: 2, sliding_window: 131_072, multiple_of: 4096, vocab_size: 4096 };
    const enough = await sessionWith(args, 500 << 20);
    expect(enough?.slots).toBeGreaterThan(1);
    enough?.close();
    expect(await sessionWith(args, 1 << 30)).toBeUndefined();
  });
});

describe('ceilings that are measured while batches come', () => {
  it('take no memory from them', async () => {
    const session = await sessionWith({}, 23_000_000, true);
    let measured = false;
    const times = session!.times().finally(() => {
      measured = true;
    });
    while (!measured && session!.gpu.memory.counts.held < 8_000_000) await new Promise(setImmediate);
    while (!measured) await session!.run([passOf(session!.mostPieceTokens, 0, 8)]);
    expect((await times).ceilings.copyBytesPerSecond).toBeGreaterThan(0);
    session!.close();
  });
});
