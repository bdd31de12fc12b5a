import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tap } from 'rxjs';
import { definePipeline, type Pipeline, run } from 'sluice';
import { drain } from 'sluice/flow';
import { defaultModelDir, type EntropyModel, openModel } from 'sluice/model';
import { embed, patch, pretokenize } from 'sluice/operators';
import { hypergraph, safetensors } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { type Bench, median } from './harness.ts';

const COPIES = 3;
const ROUNDS = 5;

/**
 * Whole runs, from files to synced shards and commits, against the same documents through the model alone: what
 * everything around the model costs, in time on the wall and in CPU time of all threads. The embedded model is the
 * hardest case, because it is so small that a byte takes it 40 us.
 */
export default async function endToEnd(bench: Bench): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-bench-'));
  for (let i = 0; i < COPIES; i++) {
    await cp(path.join(import.meta.dirname, '../samples'), path.join(folder, 'in', String(i)), { recursive: true });
  }
  const source = files(path.join(folder, 'in'));
  const flow = definePipeline('bench', source, { splitBytes: 64 << 10 }).pipe(pretokenize(), embed(), patch());
  const model = await openModel(defaultModelDir());
  const documents = await documentsOf(source);
  const bytes = documents.reduce((sum, document) => sum + document.length, 0);
  const whole = (pipeline: Pipeline) => async (): Promise<void> => {
    await run(pipeline, { output: path.join(folder, 'out'), fresh: true });
  };
  const work = [
    () => throughModel(model, documents),
    whole(flow.to(safetensors())),
    whole(flow.to(safetensors(), hypergraph())),
  ];
  const names = ['the model alone', 'to safetensors', 'to safetensors and hypergraph'];
  const times = work.map(() => ({ wall: [] as number[], cpu: [] as number[] }));
  for (let round = -1; round < ROUNDS; round++) {
    for (const [i, one] of work.entries()) {
      const began = performance.now();
      const cpu = process.cpuUsage();
      await one();
      const { user, system } = process.cpuUsage(cpu);
      if (round < 0) continue;
      times[i]?.wall.push((performance.now() - began) / 1e3);
      times[i]?.cpu.push((user + system) / 1e6);
    }
  }
  for (const clock of ['wall', 'cpu'] as const) {
    const rate = (i: number): number => bytes / 1e3 / median(times[i]?.[clock] ?? []);
    for (const i of [1, 2]) {
      const peer = names[0] ?? '';
      bench.report({ case: `${names[i]}, ${clock} time`, value: rate(i), unit: 'kB/s', peer, peerValue: rate(0) });
    }
  }
  await model.close();
  await rm(folder, { recursive: true, force: true });
}

async function documentsOf(source: ReturnType<typeof files>): Promise<Uint8Array[]> {
  const documents: Uint8Array[] = [];
  for await (const split of source.splits({ splitBytes: 1 << 30, reject: () => {} })) {
    const read = source.read({ ...split, id: '0' });
    await drain(read.pipe(tap((document) => documents.push(Uint8Array.from(document.bytes)))));
  }
  return documents;
}

async function throughModel(model: EntropyModel, documents: readonly Uint8Array[]): Promise<void> {
  const one = async (document: Uint8Array): Promise<void> => {
    for await (const piece of model.encode(document, { preNorm: true })) void piece;
  };
  await Promise.all(documents.map(one));
}
