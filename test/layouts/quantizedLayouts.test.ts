import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteFileOf } from '../../src/layouts/byteFile.ts';
import { openLayout, type PatchRows, type RowsOptions } from '../../src/layouts/index.ts';
import { openTable } from '../../src/layouts/openTable.ts';
import type { Quantizer } from '../../src/quantization/quantizer.ts';
import { readQuantizers, writeQuantizers } from '../../src/quantization/quantizerFile.ts';
import type { Patches, QuantizedFieldName } from '../../src/records.ts';
import { hypergraph, safetensors, signals, webdataset } from '../../src/sinks/index.ts';
import { divided, patchesOf, type Sketch, sketches, temporaryFolder, writeAll } from '../sinks/flow.ts';
import { anyChain, chains, decoded, type Quantizers, quantized, quantizerOf } from './quantizedFlow.ts';

const OUTPUT_FILE = 'quantizer/quantizer.safetensors';

/** Four documents, the third of which is larger than a shard. */
const sketch: Sketch[] = [
  { segments: [[3, 4], [2]] },
  { segments: [[]] },
  { segments: [Array(150).fill(7), [5, 5]] },
  { segments: [[6, 6, 6]] },
];

async function shardsOf(values: readonly Patches[], shardBytes = 4096, besides = true): Promise<string[]> {
  const options = { shardBytes };
  const sinks = besides
    ? [safetensors('shards', options), hypergraph('shards', options), signals('shards', options)]
    : [safetensors('shards', options)];
  const { root } = await writeAll(sinks, values);
  const names = await readdir(path.join(root, 'shards')).catch(() => []);
  const files = names.filter((name) => name.endsWith('.safetensors') && !name.includes('.signals.'));
  return files.sort().map((name) => path.join(root, 'shards', name));
}

/** Rows of all documents of some files, one behind the other. */
async function rowsOf(files: readonly string[], options: RowsOptions = {}, quantizer?: string): Promise<PatchRows[]> {
  const all: PatchRows[] = [];
  for (const file of files) {
    const layout = await openLayout(file, { quantizer });
    try {
      for await (const { table, firstPatch, patches, firstByte } of layout.documents()) {
        await table.check();
        const range = { from: firstPatch, to: firstPatch + patches, byteFrom: firstByte };
        for await (const rows of table.rows({ ...range, ...options })) all.push(rows);
      }
    } finally {
      await layout.close();
    }
  }
  return all;
}

type Column = 'embeddings' | 'prominence' | 'entropy' | 'entropies' | 'norms' | 'bytes';
const column = (rows: readonly PatchRows[], name: Column): number[] => rows.flatMap((row) => [...(row[name] ?? [])]);
const written = (values: readonly Patches[], name: Column): number[] => values.flatMap((value) => [...value[name]]);

describe('quantized shards', () => {
  it.each(chains)('%s is read as what its decoder gives, whatever documents and shards are like', async (to) => {
    const embeddings = quantizerOf(to);
    await fc.assert(
      fc.asyncProperty(
        sketches(),
        fc.integer({ min: 1, max: 4000 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        async (documents, rowBytes, at) => {
          const values = quantized(divided(patchesOf(documents), at), { embeddings });
          const rows = await rowsOf(await shardsOf(values, 8192), { rowBytes });
          expect(column(rows, 'embeddings')).toEqual(decoded(values, 'embeddings', embeddings));
          for (const name of ['prominence', 'entropy', 'entropies', 'norms', 'bytes'] as const)
            expect(column(rows, name)).toEqual(written(values, name));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('signals are decoded too, of patches and of bytes', async () => {
    const one = quantizerOf('int8', 1);
    const all: Quantizers = { prominence: one, entropy: one, entropies: one, norms: one };
    const values = quantized(patchesOf(sketch), all);
    const rows = await rowsOf(await shardsOf(values));
    expect(column(rows, 'embeddings')).toEqual(written(values, 'embeddings'));
    for (const name of ['prominence', 'entropy', 'entropies', 'norms'] as const)
      expect(column(rows, name)).toEqual(decoded(values, name, one));
  });

  it('float32 values that were kept are given as they are', async () => {
    const values = quantized(patchesOf(sketch), { embeddings: quantizerOf('pca:2') }, true);
    expect(column(await rowsOf(await shardsOf(values)), 'embeddings')).toEqual(written(values, 'embeddings'));
  });

  it('parts are given as they are kept where that is asked for, with one quantizer for all files', async () => {
    const quantizer = quantizerOf('pca:2+int8');
    for (const keep of [false, true]) {
      const values = quantized(patchesOf(sketch), { embeddings: quantizer, norms: quantizerOf('int8', 1) }, keep);
      const files = await shardsOf(values);
      expect(files.length).toBeGreaterThan(1);
      const rows = await rowsOf(files, { asStored: true, rowBytes: 500 });
      expect(new Set(rows.map((row) => row.quantized?.[0]?.quantizer)).size).toBe(1);
      for (const [f, field] of (['embeddings', 'norms'] as const).entries()) {
        expect(new Set(rows.map((row) => `${row.quantized?.[f]?.field} ${row.quantized?.[f]?.keep}`))).toEqual(
          new Set([`${field} ${keep}`]),
        );
        for (const [i] of (values[0]?.quantized?.[f]?.encoded ?? []).entries()) {
          const bytes = (some: readonly Pick<PatchRows, 'quantized'>[]) =>
            Buffer.concat(some.map(({ quantized: fields }) => fields?.[f]?.encoded[i] ?? new Uint8Array()));
          expect(bytes(rows)).toEqual(bytes(values));
        }
      }
      const without = await rowsOf(files, { asStored: true, columns: ['bytes', 'prominence'] });
      expect(without.every((row) => row.quantized === undefined)).toBe(true);
    }
  });

  it('any rows can be read by themselves, and few bytes are read for them', async () => {
    await fc.assert(
      fc.asyncProperty(anyChain, fc.nat(299), fc.nat(299), async (to, a, b) => {
        const embeddings = quantizerOf(to);
        const values = quantized(patchesOf([{ segments: [Array(300).fill(2)] }]), { embeddings });
        const [file = ''] = await shardsOf(values, 1 << 20, false);
        const content = byteFileOf(file, await readFile(file));
        let read = 0;
        const counting = {
          ...content,
          read(start: number, stop: number) {
            read += stop - start;
            return content.read(start, stop);
          },
        };
        const table = await openTable(counting);
        const [from, end] = [Math.min(a, b), Math.max(a, b) + 1];
        read = 0;
        const rows: PatchRows[] = [];
        for await (const row of table.rows({ from, to: end, byteFrom: 2 * from, columns: ['embeddings'] }))
          rows.push(row);
        expect(column(rows, 'embeddings')).toEqual(decoded(values, 'embeddings', embeddings).slice(4 * from, 4 * end));
        // a length, and what its parts take, for each row
        const rowBytes = embeddings.parts.reduce((sum, part) => sum + part.rowBytes, 4);
        expect(read).toBe((end - from) * rowBytes);
      }),
      { numRuns: 20 },
    );
  });

  it('a table tells how its fields are kept', async () => {
    const embeddings = quantizerOf('pca:2+int8');
    const values = quantized(patchesOf(sketch), { embeddings });
    const [file = ''] = await shardsOf(values);
    const layout = await openLayout(file);
    expect(layout.format).toBe('sluice');
    for await (const { table } of layout.documents()) {
      const [stored, ...more] = await table.quantized();
      expect([more, stored?.field, stored?.keep]).toEqual([[], 'embeddings', false]);
      expect(stored?.quantizer.chain).toEqual(embeddings.chain);
      expect(stored?.quantizer.trained).toEqual(embeddings.trained);
      expect([table.dim, table.held.embeddings]).toEqual([4, true]);
    }
    await layout.close();
  });
});

describe('files that refer to the quantizer of their output', () => {
  /** An output of archives, and of files of single documents, whose quantizer lies beside them. */
  async function referring() {
    const root = await temporaryFolder();
    const plain = quantizerOf('pca:2+int8');
    await mkdir(path.join(root, 'quantizer'));
    // its tensor has another name than the field
    const signal = quantizerOf({ scheme: 'variable', bits: 9, range: 'minmax' }, 1);
    const learned: [QuantizedFieldName, Quantizer][] = [
      ['embeddings', plain],
      ['entropy', signal],
    ];
    await writeQuantizers(path.join(root, OUTPUT_FILE), new Map(learned));
    const { sha256 } = await readQuantizers(path.join(root, OUTPUT_FILE));
    const file = { path: OUTPUT_FILE, sha256 };
    const values = quantized(patchesOf(sketch), { embeddings: { ...plain, file }, entropy: { ...signal, file } });
    await writeAll(
      [safetensors('shards', { layout: 'document' }), webdataset('wds', { compression: 'gzip' })],
      values,
      root,
    );
    const names = (await readdir(path.join(root, 'shards'))).sort();
    const documents = names.map((name) => path.join(root, 'shards', name));
    return { root, values, documents, archive: path.join(root, 'wds/00000-000000.tar.gz'), plain, signal };
  }

  it('are read by it', async () => {
    const { values, documents, archive, plain, signal } = await referring();
    for (const files of [documents, [archive]]) {
      const rows = await rowsOf(files, { rowBytes: 300 });
      expect(column(rows, 'embeddings')).toEqual(decoded(values, 'embeddings', plain));
      expect(column(rows, 'entropy')).toEqual(decoded(values, 'entropy', signal));
    }
  });

  it('are read by it where they lie elsewhere, and by no other', async () => {
    const { root, values, documents, archive, plain } = await referring();
    const elsewhere = path.join(await temporaryFolder(), 'learned.safetensors');
    const file = path.join(root, OUTPUT_FILE);
    await writeFile(elsewhere, await readFile(file));
    await rm(file);
    for (const files of [documents.slice(2), [archive]]) {
      await expect(rowsOf(files)).rejects.toMatchObject({
        code: 'NO_QUANTIZER',
        hint: expect.stringContaining('--quantizer'),
      });
      await expect(rowsOf(files, {}, path.join(root, 'no'))).rejects.toMatchObject({ code: 'NO_QUANTIZER' });
    }
    expect(column(await rowsOf([archive], {}, elsewhere), 'embeddings')).toEqual(decoded(values, 'embeddings', plain));
    await writeQuantizers(file, new Map([['embeddings', quantizerOf('pq:2')]]));
    for (const files of [documents.slice(2), [archive]])
      await expect(rowsOf(files)).rejects.toMatchObject({
        code: 'OTHER_QUANTIZER',
        message: expect.stringContaining(file),
      });
  });
});
