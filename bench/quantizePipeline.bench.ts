import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { definePipeline, type Patches, type Pipeline, run, type Stream } from 'sluice';
import { embed, patch, pretokenize, type QuantizeOptions, quantize } from 'sluice/operators';
import { safetensors } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { readSafetensorsHeader } from '../src/formats/safetensors/read.ts';
import { type Bench, median } from './harness.ts';

const COPIES = 3;
const ROUNDS = 9;

/** What a pipeline writes, against the same one that writes float32: `qualityRows: 0` leaves the measuring behind the run out. */
const CASES: readonly (readonly [name: string, options: QuantizeOptions])[] = [
  ['int8', { to: 'int8' }],
  ['int8, quality not measured', { to: 'int8', qualityRows: 0 }],
  ['int4', { to: 'int4', qualityRows: 0 }],
];

/**
 * Whole runs over the samples, from files to synced shards and commits, that write quantized embeddings against the same that
 * write float32: time on the wall and of all threads (above 1 is slower), and bytes of the embeddings.
 */
export default async function quantizePipeline(bench: Bench): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-bench-'));
  for (let i = 0; i < COPIES; i++) {
    await cp(path.join(import.meta.dirname, '../samples'), path.join(folder, 'in', String(i)), { recursive: true });
  }
  const source = files(path.join(folder, 'in'));
  const patches: Stream<Patches> = definePipeline('bench', source).pipe(pretokenize(), embed(), patch());
  const pipelines: Pipeline[] = [
    patches.to(safetensors()),
    ...CASES.map(([, options]) => patches.pipe(quantize(options)).to(safetensors())),
  ];
  const times = pipelines.map(() => ({ wall: [] as number[], cpu: [] as number[] }));
  const bytes: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    for (const [i, pipeline] of pipelines.entries()) {
      const output = path.join(folder, `out-${i}`);
      const began = performance.now();
      const cpu = process.cpuUsage();
      await run(pipeline, { output, fresh: true });
      const { user, system } = process.cpuUsage(cpu);
      bytes[i] = await embeddingBytes(path.join(output, 'shards'));
      if (round < 0) continue;
      times[i]?.wall.push((performance.now() - began) / 1e3);
      times[i]?.cpu.push((user + system) / 1e6);
    }
  }
  for (const [i, [name]] of CASES.entries()) {
    for (const clock of ['wall', 'cpu'] as const) {
      const seconds = (of: number): number => median(times[of]?.[clock] ?? []);
      const least = (of: number): number => Math.min(...(times[of]?.[clock] ?? []));
      const peer = 'float32';
      bench.report({ case: `${name}: ${clock} time`, value: seconds(i + 1), unit: 's', peer, peerValue: seconds(0) });
      bench.report({ case: `${name}: least ${clock} time`, value: least(i + 1), unit: 's', peer, peerValue: least(0) });
    }
    const [coded = 0, float = 0] = [bytes[i + 1], bytes[0]];
    bench.report({ case: `${name}: embeddings`, value: float / coded, unit: 'times smaller' });
  }
  await rm(folder, { recursive: true, force: true });
}

/** Of everything in shards that is embeddings, or was learned for them. */
async function embeddingBytes(shards: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(shards)) {
    const { tensors } = await readSafetensorsHeader(path.join(shards, name));
    for (const { name: tensor, length } of tensors.values()) if (tensor.startsWith('embeddings')) bytes += length;
  }
  return bytes;
}
