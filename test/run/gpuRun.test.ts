import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { definePipeline, type RunEvent, run } from 'sluice';
import { embed, patch, pretokenize } from 'sluice/operators';
import { safetensors } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MOVED_TO_CPU } from '../../src/run/deviceRecovery.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { goldenModel, prose } from '../model/golden.ts';
import { childProcesses } from '../support/children.ts';
import { type GpuDevice, gpuDevice } from '../support/gpu.ts';
import { hashTree } from '../support/tree.ts';

let gpu: GpuDevice;
let folder: string;
let output: string;
let runs = 0;

beforeAll(async () => {
  gpu = await gpuDevice();
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-gpu-run-'));
  await mkdir(path.join(folder, 'texts'));
  for (let i = 0; i < 6; i++) await writeFile(path.join(folder, 'texts', `${i}.txt`), prose(150 + 90 * i));
});
afterAll(async () => {
  await gpu.remove();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  output = path.join(folder, `out${runs++}`);
});

/** Each run opens a model of its own: another length of pieces would do as well, but would change bits. */
async function ownModel(): Promise<string> {
  const copy = path.join(folder, `model${runs}`);
  await mkdir(copy);
  for (const name of ['config.json', 'model.safetensors']) {
    await writeFile(path.join(copy, name), await readFile(path.join(goldenModel('w24-bf16'), name)));
  }
  return copy;
}

/** Runs the texts on the GPU, two splits at once, and tells `onEvent` what happens. */
async function runTexts(onEvent: (event: RunEvent) => void = () => {}) {
  const pipeline = definePipeline('texts', files(path.join(folder, 'texts')))
    .pipe(
      pretokenize(),
      embed({ model: await ownModel(), device: gpu.device, pieceBytes: 64 }),
      patch({ threshold: 4.2 }),
    )
    .to(safetensors('shards'));
  const retried: RunEvent[] = [];
  const summary = await run(pipeline, {
    output,
    workers: 2,
    splitBytes: 1000,
    onEvent: (event) => {
      if (event.type === 'retried') retried.push(event);
      onEvent(event);
    },
  });
  expect((await verifyOutput(output)).findings).toEqual([]);
  return { summary, retried, shards: await hashTree(path.join(output, 'shards')) };
}

/** Kills the process of the GPU when splits are at work, so many times. */
function killing(count: number): (event: RunEvent) => void {
  const known = new Set(childProcesses());
  return (event) => {
    if (event.type !== 'started' || count === 0) return;
    count--;
    const kill = (): boolean => {
      const found = childProcesses().find((pid) => !known.has(pid));
      if (found === undefined) return false;
      known.add(found);
      // so that it has not done all by then
      process.kill(found, 'SIGSTOP');
      setTimeout(() => process.kill(found, 'SIGKILL'), 100);
      return true;
    };
    if (kill()) return;
    const timer = setInterval(() => kill() && clearInterval(timer), 20);
  };
}

describe('a run on a GPU', () => {
  it('gives the same bytes every time, and again after its GPU died under it', async () => {
    const undisturbed = await runTexts();
    expect(undisturbed.summary.splits).toBeGreaterThan(1);
    expect(undisturbed.retried).toEqual([]);
    output = path.join(folder, `out${runs++}`);
    const disturbed = await runTexts(killing(1));
    expect(disturbed.retried.length).toBeGreaterThan(0);
    for (const event of disturbed.retried) {
      expect(event).toMatchObject({ on: 'device', reason: expect.stringContaining('SIGKILL') });
    }
    expect(disturbed.summary.counts).toEqual(undisturbed.summary.counts);
    expect(disturbed.shards).toEqual(undisturbed.shards);
  });

  it('is finished on the CPU where the GPU dies again, and says so in commit, manifest and events', async () => {
    const { summary, retried } = await runTexts(killing(2));
    expect(new Set(retried.map((event) => event.type === 'retried' && event.on))).toEqual(new Set(['device', 'cpu']));
    expect(summary.counts[MOVED_TO_CPU]).toBeGreaterThan(0);
    const manifest = JSON.parse(await readFile(path.join(output, 'manifest.json'), 'utf8'));
    expect(JSON.stringify(manifest)).toContain(MOVED_TO_CPU);
  });
});
