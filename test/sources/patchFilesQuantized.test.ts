import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSafetensorsHeader } from '../../src/formats/safetensors/read.ts';
import { readQuantizers, writeQuantizers } from '../../src/quantization/quantizerFile.ts';
import type { Patches } from '../../src/records.ts';
import { hypergraph, safetensors, webdataset } from '../../src/sinks/index.ts';
import { patchFiles } from '../../src/sources/index.ts';
import { decoded, quantized, quantizerOf } from '../layouts/quantizedFlow.ts';
import { patchesOf, type Sketch, temporaryFolder, writeAll } from '../sinks/flow.ts';
import { readAll } from './helpers.ts';

const sketch: Sketch[] = [{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [Array(40).fill(7), [5, 5]] }];

const embeddingsOf = (values: readonly Patches[]): number[] => values.flatMap(({ embeddings }) => [...embeddings]);

/** Files of single documents and an archive, with the quantizer they name beside them. */
async function referring() {
  const root = await temporaryFolder();
  const plain = quantizerOf('pca:2+int8');
  const file = path.join(root, 'quantizer/quantizer.safetensors');
  await mkdir(path.dirname(file));
  await writeQuantizers(file, new Map([['embeddings', plain]]));
  const { sha256 } = await readQuantizers(file);
  const embeddings = { ...plain, file: { path: 'quantizer/quantizer.safetensors', sha256 } };
  const values = quantized(patchesOf(sketch), { embeddings });
  const options = { layout: 'document' } as const;
  await writeAll([safetensors('shards', options), hypergraph('shards', options), webdataset('wds')], values, root);
  return { root, file, wanted: decoded(values, 'embeddings', plain), plain };
}

describe('patchFiles of quantized files', () => {
  it('gives what they decode to, and the parts only where that is asked for', async () => {
    const { root, wanted, plain } = await referring();
    for (const folder of ['shards', 'wds']) {
      const { records, rejects, planRejects } = await readAll(patchFiles(path.join(root, folder)));
      expect([rejects, planRejects]).toEqual([[], []]);
      expect(embeddingsOf(records)).toEqual(wanted);
      expect(records.every((value) => value.quantized === undefined)).toBe(true);
      const { records: stored } = await readAll(patchFiles(path.join(root, folder), { asStored: true }));
      expect(embeddingsOf(stored)).toEqual(wanted);
      // every value has the same fields by the same quantizer, those without patches too
      const fields = stored.map((value) => value.quantized ?? []);
      expect(new Set(fields.map(([first]) => first?.quantizer)).size).toBe(1);
      expect(fields.map((own) => own.map(({ field, keep }) => `${field} ${keep}`))).toEqual(
        stored.map(() => ['embeddings false']),
      );
      const parts = plain.parts.map((_, i) =>
        Buffer.concat(fields.map(([first]) => first?.encoded[i] ?? Buffer.alloc(0))),
      );
      expect([...plain.decode(parts)]).toEqual(wanted);
    }
  });

  it('finds the quantizer where it is told to, and rejects what has none, or another', async () => {
    const { root, file, wanted } = await referring();
    const elsewhere = path.join(root, 'learned.safetensors');
    await rename(file, elsewhere);
    for (const folder of ['shards', 'wds']) {
      const input = path.join(root, folder);
      const { records } = await readAll(patchFiles(input, { quantizer: elsewhere }));
      expect(embeddingsOf(records)).toEqual(wanted);
      const { rejects, planRejects } = await readAll(patchFiles(input)).catch((error) => ({
        rejects: [],
        planRejects: [error],
      }));
      const found = [...planRejects, ...rejects.map(({ error }) => error)].map(({ code }) => code);
      expect(new Set(found)).toEqual(new Set([folder === 'wds' ? 'NO_QUANTIZER' : 'NO_USABLE_FILE']));
    }
    await writeQuantizers(file, new Map([['embeddings', quantizerOf('pq:2')]]));
    const { rejects } = await readAll(patchFiles(path.join(root, 'wds')));
    expect(rejects.map(({ error }) => error.code)).toEqual(sketch.map(() => 'OTHER_QUANTIZER'));
  });

  it('rejects documents of an archive with codes that no encoder gives, and reads the others', async () => {
    const root = await temporaryFolder();
    const quantizer = quantizerOf('ternary');
    const values = quantized(patchesOf(sketch), { embeddings: quantizer });
    await writeAll([webdataset('wds')], values, root);
    const archive = path.join(root, 'wds/00000-000000.tar');
    const bytes = await readFile(archive);
    const start = bytes.indexOf('{"__metadata__"');
    const length = Number(bytes.readBigUInt64LE(start - 8));
    const { 'embeddings.codes': codes } = JSON.parse(bytes.toString('utf8', start, start + length));
    // five digits of base 3 in a byte end at 242
    bytes[start + length + codes.data_offsets[0] + 1] = 243;
    await writeFile(archive, bytes);
    const { records, rejects } = await readAll(patchFiles(archive));
    expect(rejects.map(({ error }) => error.code)).toEqual(['QUANTIZE_CODE']);
    expect(embeddingsOf(records)).toEqual(decoded(values.slice(2), 'embeddings', quantizer));
  });

  it('ends with an error that names a shard and its row where codes of it were changed', async () => {
    const root = await temporaryFolder();
    const values = quantized(patchesOf(sketch), { embeddings: quantizerOf('ternary') });
    await writeAll([safetensors('shards'), hypergraph('shards')], values, root);
    const shard = path.join(root, 'shards/00000-000000.safetensors');
    const bytes = await readFile(shard);
    const { offset = 0 } = parseSafetensorsHeader(bytes, bytes.length).tensors.get('embeddings.codes') ?? {};
    bytes[offset + 1] = 243;
    await writeFile(shard, bytes);
    await expect(readAll(patchFiles(shard))).rejects.toMatchObject({
      code: 'QUANTIZE_CODE',
      message: expect.stringMatching(/00000-000000\.safetensors': embeddings from row 0 on: .*row 1/),
    });
  });
});
