import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import Database from 'better-sqlite3';
import { parquetMetadata } from 'hyparquet';
import { readParquet } from 'parquet-wasm/node';
import { describe, expect, it } from 'vitest';
import { checkNpz } from '../../src/formats/checkNpz.ts';
import { checkPatchLines } from '../../src/formats/checkPatchLines.ts';
import { checkPatchedDocuments, checkPatchTable } from '../../src/formats/checkPatchTables.ts';
import { quantizersOf } from '../../src/formats/checkQuantized.ts';
import { checkTables } from '../../src/formats/checkTables.ts';
import { checkWebdataset } from '../../src/formats/checkWebdataset.ts';
import { parseNpy } from '../../src/formats/npy.ts';
import type { Quantizer } from '../../src/quantization/quantizer.ts';
import { readQuantizers, writeQuantizers } from '../../src/quantization/quantizerFile.ts';
import type { Patches } from '../../src/records.ts';
import type { Artefact } from '../../src/sinks/artefact.ts';
import { jsonl } from '../../src/sinks/jsonl.ts';
import { npz } from '../../src/sinks/npz.ts';
import { parquet } from '../../src/sinks/parquet.ts';
import type { Sink } from '../../src/sinks/sink.ts';
import { sqlite } from '../../src/sinks/sqlite.ts';
import { webdataset } from '../../src/sinks/webdataset.ts';
import { quantized, quantizerOf } from '../layouts/quantizedFlow.ts';
import { duckdb } from '../support/duckdb.ts';
import { samplesOf, untar } from '../support/tar.ts';
import { unzipStored } from '../support/zip.ts';
import { parseSafetensors } from './consumer.ts';
import { filesOf, patchesOf, type Sketch, temporaryFolder, type Written, writeAll } from './flow.ts';

const three: Sketch[] = [{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [[5, 5, 5]] }];
const int8 = quantizerOf('int8');
const one = quantizerOf('int8', 1);

/** The row parts of a field of all patches. */
function partsOf(values: readonly Patches[], quantizer: Quantizer, field: 'embeddings' | 'entropy'): Buffer[] {
  const encoded = values.map((value) => quantizer.encode(value[field]));
  return quantizer.parts.map((_, i) => Buffer.concat(encoded.map((parts) => parts[i] ?? Buffer.alloc(0))));
}

/** Embeddings and entropies of patches, quantized. */
const flow = (keep = false): Patches[] => quantized(patchesOf(three), { embeddings: int8, entropy: one }, keep);
const plain = patchesOf(three);
const [codes = Buffer.alloc(0), scales = Buffer.alloc(0)] = partsOf(plain, int8, 'embeddings');
const [entropyCodes = Buffer.alloc(0)] = partsOf(plain, one, 'entropy');

const rowsOf = (bytes: Buffer, rowBytes: number): Buffer[] =>
  Array.from({ length: bytes.length / rowBytes }, (_, i) => bytes.subarray(i * rowBytes, (i + 1) * rowBytes));

type Check = (file: string, expected: never, complain: (what: string) => void, open: never) => Promise<void>;

async function complaints({ root, artefacts }: Written, check: unknown): Promise<string[]> {
  const found: string[] = [];
  const run = check as Check;
  for (const { path: file, info } of artefacts) {
    if (file.startsWith('quantizer/')) continue;
    await run(path.join(root, file), info as never, (what) => found.push(what), quantizersOf(root) as never);
  }
  return found;
}

describe('npz sink, of quantized patches', () => {
  it('writes parts and learned tensors as arrays, and how to read them', async () => {
    const pq = quantizerOf('pq:2');
    const written = await writeAll([npz()], quantized(patchesOf(three), { embeddings: pq, prominence: one }));
    expect(await complaints(written, checkNpz)).toEqual([]);
    expect(written.artefacts[0]?.info['quantized']).toEqual({ embeddings: 'pq', prominence: 'int8' });
    const [file = Buffer.alloc(0)] = (await filesOf(written.root, 'npz')).values();
    const arrays = new Map(unzipStored(file).map(({ name, content }) => [name, parseNpy(content)]));
    const heads = [...arrays].map(([name, { type, shape }]) => `${name} ${type} ${shape.join(' ')}`);
    expect(heads.slice(0, 7)).toEqual([
      'patch_entropies.npy <f4 6',
      'embeddings.codes.npy |u1 6 2',
      'embeddings.pq.codebooks.npy <f4 2 256 2',
      'prominence.codes.npy |i1 6 1',
      'prominence.scales.npy <f2 6',
      expect.stringMatching(/^quantization.npy \|u1 \d+$/),
      'coherence.npy <f4 6',
    ]);
    const said = JSON.parse(Buffer.from(arrays.get('quantization.npy')?.data ?? '').toString());
    expect(Object.keys(said)).toEqual(['embeddings', 'prominence']);
    expect(Buffer.from(arrays.get('embeddings.codes.npy')?.data ?? '')).toEqual(partsOf(plain, pq, 'embeddings')[0]);
  });

  it('refuses a part of a type that NumPy does not have, at the first value', async () => {
    const bf16: Quantizer = {
      ...int8,
      parts: [{ name: 'values', dtype: 'BF16', shape: [4], rowBytes: 8 }],
      encode: (rows) => [new Uint8Array(2 * rows.length)],
    };
    const writing = writeAll([npz()], quantized(patchesOf(three), { embeddings: bf16 }));
    await expect(writing).rejects.toMatchObject({
      code: 'UNKNOWN_TYPE',
      message: 'npz cannot write the values of quantized embeddings: NumPy has no BF16',
    });
  });
});

describe('parquet sink, of quantized patches', () => {
  const arrowRows = (file: Uint8Array): Record<string, unknown>[] =>
    tableFromIPC(readParquet(file).intoIPCStream())
      .toArray()
      .map((row) => row.toJSON());

  it('writes a column of bytes for each part in place of a column of numbers', async () => {
    const written = await writeAll([parquet('tables', { columns: { n: 'int32' } })], flow());
    expect(await complaints(written, checkPatchTable)).toEqual([]);
    expect(written.artefacts[0]?.info['quantized']).toEqual({ embeddings: 'int8', entropy: 'int8' });
    const [file = Buffer.alloc(0)] = (await filesOf(written.root, 'tables')).values();
    const rows = arrowRows(file);
    expect(Object.keys(rows[0] ?? {}).slice(-7)).toEqual([
      'prominence',
      'entropy_codes',
      'entropy_scales',
      'coherence',
      'embedding_codes',
      'embedding_scales',
      'n',
    ]);
    expect(rows.map((row) => Buffer.from(row['embedding_codes'] as Uint8Array))).toEqual(rowsOf(codes, 4));
    expect(rows.map((row) => Buffer.from(row['embedding_scales'] as Uint8Array))).toEqual(rowsOf(scales, 2));
    const pairs = parquetMetadata(new Uint8Array(file).buffer).key_value_metadata ?? [];
    expect(JSON.parse(pairs.find(({ key }) => key === 'quantization')?.value ?? '')).toMatchObject({
      embeddings: { columns: 4, chain: [{ scheme: 'int8' }] },
      entropy: { columns: 1 },
    });
    const table = path.join(written.root, written.artefacts[0]?.path ?? '');
    const read = await duckdb(`SELECT entropy_codes FROM '${table}'`);
    expect(Buffer.concat(read.map((row) => row['entropy_codes'] as Uint8Array))).toEqual(entropyCodes);
  });

  it('writes the rows of a document in one cell', async () => {
    const written = await writeAll([parquet('tables', { rows: 'document' })], flow());
    expect(await complaints(written, checkPatchedDocuments)).toEqual([]);
    const [file = Buffer.alloc(0)] = (await filesOf(written.root, 'tables')).values();
    const rows = arrowRows(file);
    expect(rows.map((row) => (row['embeddings_codes'] as Uint8Array).length)).toEqual([12, 0, 12]);
    expect(Buffer.concat(rows.map((row) => row['embeddings_codes'] as Uint8Array))).toEqual(codes);
    expect(Buffer.concat(rows.map((row) => row['patch_entropies_codes'] as Uint8Array))).toEqual(entropyCodes);
    expect(rows[0]).not.toHaveProperty('embeddings');
    expect(rows[0]).not.toHaveProperty('patch_entropies');
  });

  it.each(['patch', 'document'] as const)('keeps the numbers as well with keep, a row a %s', async (rows) => {
    const written = await writeAll([parquet('tables', { rows })], flow(true));
    expect(await complaints(written, rows === 'patch' ? checkPatchTable : checkPatchedDocuments)).toEqual([]);
    const [file = Buffer.alloc(0)] = (await filesOf(written.root, 'tables')).values();
    const [first] = arrowRows(file);
    for (const name of rows === 'patch' ? ['embedding', 'entropy'] : ['embeddings', 'patch_entropies']) {
      expect(first).toHaveProperty(name);
      expect(first).toHaveProperty(`${name}_codes`);
    }
  });

  it('takes no typed column of a name that a part has', async () => {
    const sink = () => parquet('tables', { columns: { embedding_codes: 'string?' } });
    await expect(writeAll([sink()], flow())).rejects.toMatchObject({ code: 'RESERVED_COLUMN' });
    expect((await writeAll([sink()], patchesOf(three))).artefacts).toHaveLength(1);
  });
});

describe('jsonl sink, of quantized patches', () => {
  const linesIn = async ({ root }: Written): Promise<Record<string, unknown>[]> => {
    const files = [...(await filesOf(root, 'lines')).values()];
    return files.flatMap((file) => file.toString().trim().split('\n')).map((line) => JSON.parse(line));
  };

  it('writes parts in base64, and in each line how to read them', async () => {
    const written = await writeAll([jsonl('lines', { embeddings: 'base64' })], flow());
    expect(await complaints(written, checkPatchLines)).toEqual([]);
    expect(written.artefacts[0]?.info['quantized']).toEqual({ embeddings: 'int8', entropy: 'int8' });
    const lines = await linesIn(written);
    const joined = (name: string): Buffer =>
      Buffer.concat(lines.map((line) => Buffer.from(String(line[name]), 'base64')));
    expect(joined('embeddings_codes')).toEqual(codes);
    expect(joined('embeddings_scales')).toEqual(scales);
    expect(joined('patch_entropies_codes')).toEqual(entropyCodes);
    for (const line of lines) {
      expect(line).toMatchObject({ quantization: { embeddings: { columns: 4 } } });
      expect(line).not.toHaveProperty('embeddings');
      expect(line).not.toHaveProperty('patch_entropies');
      expect(line).toHaveProperty('prominence');
    }
  });

  it('leaves embeddings out in every form where they are not asked for', async () => {
    const written = await writeAll([jsonl('lines')], flow());
    expect(await complaints(written, checkPatchLines)).toEqual([]);
    expect(written.artefacts[0]?.info['quantized']).toEqual({ entropy: 'int8' });
    for (const line of await linesIn(written)) {
      expect(Object.keys(line).filter((name) => name.startsWith('embeddings'))).toEqual([]);
      expect(line).toHaveProperty('patch_entropies_codes');
    }
  });

  it.each<[string, string, string]>([
    ['codes of another size', '"embeddings_codes":"', '"embeddings_codes":"AAAA'],
    ['codes that are gone', '"embeddings_codes"', '"codes"'],
    ['another width', '"embed_dim":4', '"embed_dim":5'],
  ])('is told of %s', async (_, from, to) => {
    const written = await writeAll([jsonl('lines', { embeddings: 'base64' })], flow());
    const file = path.join(written.root, written.artefacts[0]?.path ?? '');
    await writeFile(file, (await readFile(file, 'utf8')).replace(from, to));
    const [first] = await complaints(written, checkPatchLines);
    expect(first).toMatch(/embeddings.* in line 1$/);
  });

  it.each(['list', 'base64'] as const)('keeps the numbers as %s with keep', async (embeddings) => {
    const written = await writeAll([jsonl('lines', { embeddings })], flow(true));
    expect(await complaints(written, checkPatchLines)).toEqual([]);
    const [line] = await linesIn(written);
    for (const name of ['embeddings', 'embeddings_codes', 'patch_entropies', 'patch_entropies_codes']) {
      expect(line).toHaveProperty(name);
    }
  });

  it('says what is quantized of the file of all splits', async () => {
    const sink = jsonl('lines', { into: 'all.jsonl', embeddings: 'list' });
    const written = await writeAll([sink], flow());
    const { info } = await gathered(sink, written, 'all.jsonl');
    expect(info).toMatchObject({
      format: 'sluice_patches_jsonl_v1',
      quantized: { embeddings: 'int8', entropy: 'int8' },
    });
  });
});

/** What a sink makes of all its files at the end of a run. */
async function gathered(sink: Sink<never>, { root, artefacts }: Written, into: string): Promise<Artefact> {
  const file = path.join(root, into);
  let published: Artefact | undefined;
  const chunks: Uint8Array[] = [];
  await sink.after?.[0]?.run({
    root,
    splits: [],
    task: '0',
    signal: new AbortController().signal,
    commitsOf: () => [{ split: '00000', artefacts, counts: {}, rejects: 0 }],
    file: async () => ({
      temporary: file,
      write: async (chunk) => {
        chunks.push(chunk.slice());
      },
      publish: async (info) => {
        published = { path: into, bytes: 0, sha256: '', info };
        return published;
      },
    }),
  });
  if (published === undefined) throw new Error('nothing was published');
  return published;
}

describe('sqlite sink, of quantized patches', () => {
  it('writes a column of bytes for each part', async () => {
    const written = await writeAll([sqlite()], flow());
    expect(await complaints(written, checkTables)).toEqual([]);
    expect(written.artefacts[0]?.info['quantized']).toEqual({ embeddings: 'int8', entropy: 'int8' });
    const db = new Database(path.join(written.root, written.artefacts[0]?.path ?? ''), { readonly: true });
    const column = (name: string): Buffer =>
      Buffer.concat(db.prepare<[], Buffer>(`SELECT ${name} FROM patches ORDER BY patch`).pluck().all());
    expect(column('embedding_codes')).toEqual(codes);
    expect(column('embedding_scales')).toEqual(scales);
    expect(column('entropy_codes')).toEqual(entropyCodes);
    const columns = db.prepare<[], string>("SELECT name FROM pragma_table_info('patches')").pluck().all();
    expect(columns).not.toContain('embedding');
    expect(columns).not.toContain('entropy');
    expect(columns).toContain('prominence');
    db.close();
  });

  const damage: [string, string, string][] = [
    [
      'a cell of another size',
      "UPDATE patches SET embedding_codes = x'0102' WHERE patch = 3",
      'has 2 bytes of embeddings.codes for 1 rows of patch 3',
    ],
    [
      'a scale that is negative',
      "UPDATE patches SET entropy_scales = x'00bc' WHERE patch = 1",
      'has -1 among patch_entropies.scales in row 0 of patch 1',
    ],
    [
      'a width that is another',
      'UPDATE documents SET embed_dim = 8 WHERE document = 2',
      'has quantized embeddings of 4 columns, and tells otherwise in document 2',
    ],
    [
      'a quantization that is gone',
      "DELETE FROM meta WHERE key = 'quantization'",
      'has quantized {}, and was committed with {"embeddings":"int8","entropy":"int8"}',
    ],
  ];
  it.each(damage)('is told of %s', async (_, sql, message) => {
    const written = await writeAll([sqlite()], flow());
    const db = new Database(path.join(written.root, written.artefacts[0]?.path ?? ''));
    db.exec(sql);
    db.close();
    expect(await complaints(written, checkTables)).toContain(message);
  });

  it('makes one database of those of all splits, with the same columns', async () => {
    const sketched = [{ segments: [Array(60).fill(7)] }, { segments: [[1, 2]] }];
    const values = quantized(patchesOf(sketched), { embeddings: int8 }, true);
    const sink = sqlite('tables', { fileBytes: 8192, into: 'patches.db' });
    const written = await writeAll([sink], values);
    expect(written.artefacts.length).toBeGreaterThan(1);
    const artefact = await gathered(sink, written, 'patches.db');
    expect(await complaints({ ...written, artefacts: [artefact] }, checkTables)).toEqual([]);
    const db = new Database(path.join(written.root, 'patches.db'), { readonly: true });
    const all = db.prepare<[], Buffer>('SELECT embedding_codes FROM patches ORDER BY patch').pluck().all();
    expect(Buffer.concat(all)).toEqual(partsOf(values, int8, 'embeddings')[0]);
    db.close();
  });
});

describe('webdataset sink, of quantized patches', () => {
  it('writes samples that name the quantizer file, and are checked with it', async () => {
    const root = await temporaryFolder();
    const file = 'quantizer/quantizer.safetensors';
    await mkdir(path.join(root, 'quantizer'));
    const trained = quantizerOf('pca:2+int8');
    await writeQuantizers(path.join(root, file), new Map([['embeddings', trained]]));
    const { sha256 } = await readQuantizers(path.join(root, file));
    const values = quantized(patchesOf(three), { embeddings: { ...trained, file: { path: file, sha256 } } });
    const written = await writeAll([webdataset('wds')], values, root);
    expect(written.artefacts[0]?.info['quantized']).toEqual({ embeddings: 'pca+int8' });
    expect(await complaints(written, checkWebdataset)).toEqual([]);
    const tar = await readFile(path.join(root, written.artefacts[0]?.path ?? ''));
    for (const [, sample] of samplesOf(untar(tar))) {
      const { entries, metadata } = parseSafetensors(Buffer.from(sample.get('safetensors') ?? ''));
      expect([...entries.keys()].filter((name) => name.startsWith('embeddings'))).toEqual([
        'embeddings.scales',
        'embeddings.codes',
      ]);
      expect(JSON.parse(metadata['quantization'] ?? '').embeddings).toMatchObject({ quantizer: file, sha256 });
    }
    await writeFile(path.join(root, file), 'no quantizer');
    expect(await complaints(written, checkWebdataset)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/has a member '00000-00000000.safetensors' that cannot be decoded/),
      ]),
    );
  });

  it('asks for no quantizer file where it writes no patches', async () => {
    const values = quantized(patchesOf(three), { embeddings: quantizerOf('pq:2') });
    const written = await writeAll([webdataset('wds', { members: ['json', 'payload'] })], values);
    expect(await complaints(written, checkWebdataset)).toEqual([]);
    expect(written.artefacts[0]?.info).not.toHaveProperty('quantized');
    await expect(writeAll([webdataset('wds')], values)).rejects.toMatchObject({ code: 'QUANTIZER_FILE' });
  });
});
