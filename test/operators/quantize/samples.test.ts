import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergedSample, SplitSamples } from '../../../src/operators/quantize/samples.ts';
import { patchesOf, temporaryFolder } from '../../sinks/flow.ts';

const sketch = [{ segments: [[3, 1, 4]] }, { segments: [[1, 5]] }];
const limits = { rows: 64, bytes: 1 << 16 };

describe('what is drawn to learn from', () => {
  it('is refused with the document of a number that is not finite', () => {
    const samples = new SplitSamples(
      [{ field: 'embeddings', first: { scheme: 'pq', options: { subquantizers: 2 } }, moments: false }],
      limits,
      0,
      '00000',
    );
    const [first, second] = patchesOf(sketch, 4);
    if (first === undefined || second === undefined) throw new Error('there are two');
    samples.add(first);
    second.embeddings[6] = Number.NaN;
    expect(() => samples.add(second)).toThrow(
      expect.objectContaining({
        code: 'QUANTIZE_VALUE',
        path: 'in/1.txt',
        message: "embeddings of document 'doc-1': row 1, column 2: NaN has no code",
      }),
    );
  });

  it('has the columns of the first row, of one split and of several', async () => {
    const folder = await temporaryFolder();
    const files: string[] = [];
    for (const [i, dims] of [[4, 8], [8]].entries()) {
      const samples = new SplitSamples([{ field: 'embeddings', moments: true }], limits, 0, `0000${i}`);
      for (const dim of dims) for (const value of patchesOf(sketch, dim)) samples.add(value);
      const file = path.join(folder, `${i}.safetensors`);
      await writeFile(file, samples.chunks());
      files.push(file);
    }
    const sample = await mergedSample(files, 'embeddings', limits);
    expect(sample).toMatchObject({ columns: 4, seen: 5, moments: { count: 5 } });
    const rows = patchesOf(sketch, 4).flatMap(({ embeddings }) => [...embeddings]);
    expect([...(sample?.rows ?? [])].sort()).toEqual(rows.sort());
  });
});
