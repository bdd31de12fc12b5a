import { afterAll, describe, expect, it } from 'vitest';
import { GpuQueue } from '../../../src/model/gpu/gpuQueue.ts';
import { GpuSession } from '../../../src/model/gpu/gpuSession.ts';
import { readModelFile } from '../../../src/model/modelFile.ts';
import { referenceTokens } from '../../../src/model/reference.ts';
import { testAdapter } from '../../support/gpu.ts';
import { goldenModel, modelCases } from '../golden.ts';
import { expectGolden } from '../goldenChecks.ts';

const sessions: GpuSession[] = [];
afterAll(() => {
  for (const session of sessions) session.close();
});

/** Programs that GPUs run, also where the adapter at hand is none. */
describe.each([
  ['with subgroups', {}],
  ['without subgroups', { subgroups: undefined }],
])('the forms for GPUs %s', (_, variant) => {
  it.each(['w24-packed', 'packed-3-docs', 'w24-prose-200'])('compute %s', async (id) => {
    const given = modelCases.find((one) => one.id === id)!;
    const file = await readModelFile(goldenModel(given.model));
    const session = await GpuSession.open(file, {
      adapter: await testAdapter(),
      variant: { software: false, ...variant },
    });
    sessions.push(session);
    const queue = new GpuQueue(session);
    const found = await referenceTokens(
      given.token_ids,
      async ({ past, into: _into, ...task }) => {
        const request = {
          kind: 'pass',
          document: 0,
          priority: 0,
          task: { ...task, pastRows: past?.rows ?? 0 },
        } as const;
        return queue.pass(request);
      },
      file.config,
      { preNorm: true, logits: true },
    );
    expectGolden(given, found, file.config.dim);
    expect(session.gpu.variant.software).toBe(false);
  });
});
