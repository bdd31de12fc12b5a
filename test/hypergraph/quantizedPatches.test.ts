import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openHypergraph } from 'sluice/hypergraph';
import { describe, expect, it } from 'vitest';
import { parseSafetensorsHeader } from '../../src/formats/safetensors/read.ts';
import { readQuantizers, writeQuantizers } from '../../src/quantization/quantizerFile.ts';
import type { Patches } from '../../src/records.ts';
import { type CutOptions, hypergraph, safetensors } from '../../src/sinks/index.ts';
import { chains, decoded, quantized, quantizerOf } from '../layouts/quantizedFlow.ts';
import { patchesOf, type Sketch, temporaryFolder, writeAll } from '../sinks/flow.ts';

const sketch: Sketch[] = [{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [Array(90).fill(7), [5, 5]] }];

async function graphOf(values: readonly Patches[], options: CutOptions, root?: string): Promise<string> {
  const written = await writeAll([safetensors('shards', options), hypergraph('shards', options)], values, root);
  return path.join(written.root, 'shards');
}

async function embeddingsOf(folder: string): Promise<number[]> {
  const graph = await openHypergraph(folder);
  try {
    const documents = [...graph.documents()];
    return documents.flatMap((document) =>
      [...graph.patches(document.document, { embeddings: true })].flatMap(({ embedding = [] }) => [...embedding]),
    );
  } finally {
    graph.close();
  }
}

describe('patches beside a graph', () => {
  it.each(chains)('have the embeddings that %s is decoded to, each by itself', async (to) => {
    const embeddings = quantizerOf(to);
    const values = quantized(patchesOf(sketch), { embeddings });
    const folder = await graphOf(values, { shardBytes: 8192 });
    expect((await readdir(folder)).length).toBeGreaterThan(2);
    expect(await embeddingsOf(folder)).toEqual(decoded(values, 'embeddings', embeddings));
    const graph = await openHypergraph(folder);
    const wanted = decoded(values, 'embeddings', embeddings);
    for (const patch of [90, 3, 0, 94])
      expect([...(graph.patch(patch, { embeddings: true })?.embedding ?? [])]).toEqual(
        wanted.slice(4 * patch, 4 * patch + 4),
      );
    graph.close();
  });

  it('are as they were where float32 values are kept', async () => {
    const values = quantized(patchesOf(sketch), { embeddings: quantizerOf('int8') }, true);
    expect(await embeddingsOf(await graphOf(values, {}))).toEqual(values.flatMap(({ embeddings }) => [...embeddings]));
  });

  it('are read by the quantizer of their output, and by no other', async () => {
    const root = await temporaryFolder();
    const plain = quantizerOf('pq:2');
    const file = path.join(root, 'quantizer/quantizer.safetensors');
    await mkdir(path.dirname(file));
    await writeQuantizers(file, new Map([['embeddings', plain]]));
    const { sha256 } = await readQuantizers(file);
    const embeddings = { ...plain, file: { path: 'quantizer/quantizer.safetensors', sha256 } };
    const values = quantized(patchesOf(sketch), { embeddings });
    const folder = await graphOf(values, { layout: 'document' }, root);
    expect(await embeddingsOf(folder)).toEqual(decoded(values, 'embeddings', plain));
    await writeQuantizers(file, new Map([['embeddings', quantizerOf('pca:2')]]));
    await expect(embeddingsOf(folder)).rejects.toMatchObject({ code: 'OTHER_QUANTIZER' });
    await rm(file);
    await expect(embeddingsOf(folder)).rejects.toMatchObject({ code: 'NO_QUANTIZER' });
  });

  it('are refused where their codes are none', async () => {
    const values = quantized(patchesOf(sketch), { embeddings: quantizerOf('ternary') });
    const folder = await graphOf(values, {});
    const shard = path.join(folder, '00000-000000.safetensors');
    const bytes = await readFile(shard);
    const { offset = 0 } = parseSafetensorsHeader(bytes, bytes.length).tensors.get('embeddings.codes') ?? {};
    bytes[offset + 7] = 255;
    await writeFile(shard, bytes);
    await expect(embeddingsOf(folder)).rejects.toMatchObject({
      code: 'QUANTIZE_CODE',
      message: expect.stringContaining('embeddings from row 7 on'),
    });
  });
});
