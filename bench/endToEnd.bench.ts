import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { definePipeline, run } from 'sluice';
import { defaultModelDir, openModel } from 'sluice/model';
import { embed, patch, pretokenize } from 'sluice/operators';
import { hypergraph, safetensors } from 'sluice/sinks';
import { files } from 'sluice/sources';
import { type Bench, megabytes } from './harness.ts';

const samples = path.join(import.meta.dirname, '../samples');

/** A whole run, from files to verified-able output, against the same bytes through the model alone. */
export default async function endToEnd(bench: Bench): Promise<void> {
  const source = files(samples);
  const documents: Uint8Array[] = [];
  for await (const split of source.splits({ splitBytes: 1 << 30, reject: () => {} })) {
    const read = await lastValueFrom(source.read({ ...split, id: '0' }).pipe(toArray()));
    for (const document of read) documents.push(Uint8Array.from(document.bytes));
  }
  const bytes = documents.reduce((sum, document) => sum + document.length, 0);
  const model = await openModel(defaultModelDir());
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-bench-'));
  const pipeline = definePipeline('bench', source)
    .pipe(pretokenize(), embed(), patch())
    .to(safetensors(), hypergraph());
  let round = 0;

  const modelAlone = async (): Promise<void> => {
    const one = async (document: Uint8Array): Promise<void> => {
      for await (const piece of model.encode(document, { preNorm: true })) void piece;
    };
    await Promise.all(documents.map(one));
  };
  const wholeRun = async (): Promise<void> => {
    const output = path.join(folder, String(round++));
    await run(pipeline, { output });
    await rm(output, { recursive: true });
  };
  const measure = megabytes(bytes);
  for (const clock of ['wall', 'cpu'] as const) {
    await bench.compare({
      case: `files to shards, ${clock} time`,
      measure,
      clock,
      statistic: 'median',
      warmUp: 1,
      run: wholeRun,
      peer: { name: 'the model alone', run: modelAlone },
    });
  }
  await model.close();
  await rm(folder, { recursive: true, force: true });
}
