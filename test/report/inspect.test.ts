import { rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Inspection, inspectOutput } from '../../src/report/inspect.ts';
import { bar, columns, renderInspection } from '../../src/report/inspectText.ts';
import { makeOutput, twoSplits } from '../run/output.ts';
import { patchesOf, temporaryFolder } from '../sinks/flow.ts';

describe('inspect', () => {
  it('sums up what an output holds', async () => {
    const inspection = await inspectOutput(await makeOutput());
    const values = twoSplits.flatMap((documents) => patchesOf(documents));
    const entropies = values.flatMap((value) => [...value.entropies]);
    expect(inspection).toMatchObject({
      pipeline: 'test',
      complete: true,
      splits: { planned: 2, committed: 2 },
      totals: { documents: 5, patches: 407, bytes: 2822, rejects: 2 },
      documents: {
        count: 5,
        bytes: 2822,
        modalities: [{ modality: 'text', documents: 5, bytes: 2822 }],
        sizes: [
          { size: 'tiny', below: 512, documents: 4 },
          { size: 'small', below: 2048, documents: 0 },
          { size: 'medium', below: 8192, documents: 1 },
          { size: 'large', below: 32768, documents: 0 },
          { size: 'huge', below: null, documents: 0 },
        ],
      },
      patch_lengths: {
        count: 407,
        max: 7,
        classes: [
          { from: 1, to: 1, patches: 2 },
          { from: 2, to: 2, patches: 1 },
          { from: 3, to: 4, patches: 2 },
          { from: 5, to: 7, patches: 402 },
        ],
      },
      entropy: { of: 'bytes', count: 2822, min: Math.min(...entropies), max: Math.max(...entropies) },
      rejects: [{ stage: 'read', code: 'BAD_JSON', count: 2 }],
    });
    expect(inspection.documents?.largest.map(({ id, bytes }) => [id, bytes])).toEqual([
      ['doc-0', 2800],
      ['doc-2', 11],
      ['doc-0', 9],
      ['doc-1', 2],
      ['doc-1', 0],
    ]);
    expect(inspection.entropy?.mean).toBeCloseTo(entropies.reduce((a, b) => a + b) / entropies.length, 6);
    expect(inspection.files.map(({ format }) => format)).toEqual([
      'blt_patches_v3',
      'hypergraph_v3',
      'sluice_rejects_v1',
      'sluice_signals_v1',
    ]);
  });

  it('reads an output that is not finished', async () => {
    const root = await makeOutput();
    await rm(path.join(root, 'commits/00001.json'));
    await rm(path.join(root, 'manifest.json'));
    const inspection = await inspectOutput(root);
    expect(inspection).toMatchObject({
      complete: false,
      splits: { planned: 2, committed: 1 },
      documents: { count: 3 },
    });
    expect(renderInspection(inspection)).toContain('1 of 2, not finished');
  });

  it('refuses a folder that holds no output', async () => {
    await expect(inspectOutput(await temporaryFolder())).rejects.toMatchObject({ code: 'NO_PLAN' });
  });
});

describe('an inspection as text', () => {
  const bare: Inspection = {
    pipeline: 'p',
    sluice: '0',
    complete: true,
    splits: { planned: 1, committed: 1 },
    totals: {},
    files: [],
    rejects: [],
  };

  it.each([20, 40, 60, 80, 200])('fits a terminal of %d columns', async (width) => {
    const inspection = await inspectOutput(await makeOutput());
    const lines = renderInspection(inspection, width).split('\n');
    // The percentiles are one line of their own, which a narrow terminal wraps.
    const bars = lines.filter((line) => /[▁-▏]/.test(line));
    expect(bars.length).toBeGreaterThan(8);
    for (const line of bars) expect(line.length).toBeLessThanOrEqual(Math.max(40, width));
  });

  it('leaves out what there is none of', () => {
    expect(
      renderInspection(bare)
        .split('\n')
        .map((line) => line.split(/\s/)[0]),
    ).toEqual(['pipeline', 'splits', 'rejects']);
    const lines = renderInspection({ ...bare, totals: { patches: 0, bytes: 0 } }).split('\n');
    expect(lines.map((line) => line.split(/\s/)[0])).toEqual(['pipeline', 'splits', 'bytes', 'patches', 'rejects']);
  });

  it('tells how many documents were read where duplicates are dropped', () => {
    const totals = { documents_read: 4082, documents: 3410, duplicates: 672 };
    expect(renderInspection({ ...bare, totals })).toMatch(/^read {10}4 082 documents\ndocuments {5}3 410$/m);
  });

  it('tells the modalities of what was patched', () => {
    const mix = [
      { modality: 'image', segments: 4, bytes: 3072, patches: 1024, mean_patch: 3 },
      { modality: 'text', segments: 1, bytes: 1024, patches: 256, mean_patch: 4 },
    ] as const;
    const text = renderInspection({ ...bare, mix });
    expect(text).toMatch(/^bytes that were patched, by modality\n {2}image .*75\.0 %.*4 segments {2}3\.00 a patch/m);
    expect(text).toMatch(/^ {2}text .*25\.0 %.*1 segment {2}4\.00 a patch/m);
  });

  it('never lets a name of the input command the terminal', () => {
    const line = { id: '\u001b[2Jx', uri: 'a\u202eb', modality: 'text', bytes: 3 };
    const documents = { count: 1, bytes: 3, modalities: [], sizes: [], largest: [line] };
    const text = renderInspection(
      {
        ...bare,
        documents: {
          ...documents,
          modalities: [{ modality: 'text', documents: 1, bytes: 3 }],
          sizes: [{ size: 'tiny', below: 512, documents: 1 }],
        },
      },
      120,
    );
    expect(text).not.toContain('\u001b');
    expect(text).toContain('a\\u{202e}b  \\u{1b}[2Jx');
  });

  it('draws bars to an eighth of a column, and never nothing for something', () => {
    expect(bar(1, 4)).toBe('████');
    expect(bar(0.5, 1)).toBe('▌');
    expect(bar(1e-9, 10)).toBe('▏');
    expect(bar(0, 10)).toBe('');
  });

  it('draws columns from the bottom up', () => {
    expect(columns([0, 1, 8, 16], 2)).toEqual(['   █', ' ▁██']);
  });
});

describe('inspect of quantized fields', () => {
  const quality = { rows: 2048, mse: 0.4, max_error: 3.57, relative_error: 0.0125, ratio: 3.94, shared_bytes: 0 };
  const field = {
    schemes: 'int8',
    columns: 128,
    rows: 100,
    bytes: 13_000,
    float_bytes: 51_200,
    ratio: 51_200 / 13_000,
  };

  it('tells what they take and what was lost, in a line or two for each', async () => {
    const inspection = await inspectOutput(await makeOutput());
    const text = renderInspection({
      ...inspection,
      quantization: [
        {
          tensor: 'embeddings',
          ...field,
          quality: { ...quality, cosine: { mean: 0.99992, least: 0.9997 }, recall_at_10: 0.983 },
        },
        { tensor: 'patch_entropies', ...field, columns: 1 },
        { tensor: 'prominence', schemes: 'int4', columns: 1, rows: 100, quality },
      ],
    });
    expect(text).toContain(
      [
        'quantized',
        '  embeddings      int8: 13.0 kB, 3.94 times smaller than 51.2 kB of float32',
        '                  cosine 0.99992 (least 0.99970), recall@10 0.983',
        '                  error 1.25 %: mean square 0.400, largest 3.57; 2 048 rows',
        '  patch_entropies int8: 13.0 kB, 3.94 times smaller than 51.2 kB of float32',
        '  prominence      int4: rows 3.94 times smaller than float32',
        '                  error 1.25 %: mean square 0.400, largest 3.57; 2 048 rows',
      ].join('\n'),
    );
    expect(renderInspection(inspection)).not.toContain('quantized');
  });
});
