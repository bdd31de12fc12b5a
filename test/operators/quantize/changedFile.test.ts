import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { definePipeline } from 'sluice';
import { describe, expect, it } from 'vitest';
import { embed, patch, pretokenize, quantize } from '../../../src/operators/index.ts';
import encode from '../../../src/operators/quantize/encodeWorker.ts';
import { resolveChain, trainQuantizer } from '../../../src/quantization/index.ts';
import { readQuantizers, writeQuantizers } from '../../../src/quantization/quantizerFile.ts';
import { arrived } from '../../../src/run/crossing.ts';
import { run } from '../../../src/run/run.ts';
import { safetensors } from '../../../src/sinks/index.ts';
import { files } from '../../../src/sources/index.ts';
import { temporaryFolder } from '../../sinks/flow.ts';
import { hashTree } from '../../support/tree.ts';

describe('what a run has learned', () => {
  it('is used only as it was committed; where it is removed, the run learns it again', async () => {
    const folder = await temporaryFolder();
    const input = path.join(folder, 'in');
    await mkdir(input);
    for (const name of ['a', 'b'])
      await writeFile(path.join(input, `${name}.txt`), `${name} whale, a ship and the sea. `.repeat(20));
    const pipeline = definePipeline('changed', files(input), { splitBytes: 64 })
      .pipe(pretokenize(), embed(), patch(), quantize({ to: 'pca:2+int8' }))
      .to(safetensors('shards'));
    const output = path.join(folder, 'out');
    await run(pipeline, { output });
    const whole = await hashTree(output);
    const file = path.join(output, 'quantizer/quantizer.safetensors');
    for (const commit of ['00001', 'quantizer/measure-0']) {
      const bytes = await readFile(file);
      await rm(path.join(output, `commits/${commit}.json`));
      await writeFile(file, bytes.with(-3, (bytes.at(-3) ?? 0) ^ 1));
      await expect(run(pipeline, { output })).rejects.toMatchObject({ code: 'OTHER_QUANTIZER', path: file });
      await rm(file);
      await run(pipeline, { output });
      expect(await hashTree(output), commit).toEqual(whole);
    }
  });

  it('is the same for every thread, whatever becomes of its file in the meantime', async () => {
    const file = path.join(await temporaryFolder(), 'q.safetensors');
    const rowsOf = (seed: number) =>
      Float32Array.from({ length: 64 * 8 }, (_, i) => Math.sqrt((i * (37 + seed)) % 101));
    const write = (seed: number): Promise<void> => {
      const trained = trainQuantizer(resolveChain('pca:2'), {
        columns: 8,
        rows: rowsOf(seed),
        seed,
      });
      return writeQuantizers(file, new Map([['embeddings', trained]]));
    };
    await write(0);
    const { sha256 } = await readQuantizers(file);
    await write(1);
    const task = { file, sha256, field: 'embeddings', rows: rowsOf(0) } as const;
    await expect(encode(task).catch((error: unknown) => Promise.reject(arrived(error)))).rejects.toMatchObject({
      code: 'OTHER_QUANTIZER',
      path: file,
    });
  });
});
