import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { definePipeline } from 'sluice';
import { describe, expect, it } from 'vitest';
import { embed, patch, pretokenize, quantize } from '../../../src/operators/index.ts';
import { inspectOutput } from '../../../src/report/inspect.ts';
import { run } from '../../../src/run/run.ts';
import { verifyOutput } from '../../../src/run/verify.ts';
import { jsonl, npz, parquet, safetensors, signals, sqlite, webdataset } from '../../../src/sinks/index.ts';
import { files } from '../../../src/sources/index.ts';
import { temporaryFolder } from '../../sinks/flow.ts';

describe('all fields quantized at once', () => {
  it.each([true, false])('are found sound in the files of every sink, keep: %s', async (keep) => {
    const folder = await temporaryFolder();
    const input = path.join(folder, 'in');
    await mkdir(input);
    for (const name of ['a', 'b']) {
      await writeFile(path.join(input, `${name}.txt`), `${name} whale, a ship and the sea. `.repeat(20));
    }
    const signal = { scheme: 'variable', bits: 8, range: 'minmax' } as const;
    const all = { norms: signal, entropies: signal, entropy: signal, prominence: signal };
    const pipeline = definePipeline('all', files(input))
      .pipe(pretokenize(), embed(), patch(), quantize({ to: 'pca:4+int8', signals: all, keep }))
      .to(
        ...[safetensors('st'), signals('st'), npz('npz'), npz('one', { layout: 'document' })],
        ...[jsonl('jsonl'), parquet('parquet'), sqlite('sqlite'), webdataset('wds')],
      );
    const output = path.join(folder, 'out');
    await run(pipeline, { output });
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [] });
    const { quantization = [] } = await inspectOutput(output);
    const tensors = ['embeddings', 'prominence', 'patch_entropies', 'entropies', 'norms'];
    expect(quantization.map(({ tensor }) => tensor).sort()).toEqual(tensors.sort());
  });
});
