import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LayoutDocument, type LayoutOptions, openLayout, type PatchRows } from '../../src/layouts/index.ts';
import { makeOutput, twoSplits } from '../run/output.ts';
import { patchesOf, temporaryFolder } from '../sinks/flow.ts';
import {
  corpus,
  corpusDb,
  f1,
  f2,
  f3,
  f4,
  f5,
  ingestSidecar,
  oldDocument,
  oldNode,
  patchLeaf,
  pooled,
  pooledStates,
  sidecar2,
  tarOf,
  tensorFile,
  webdataset,
} from '../support/oldLayouts.ts';

async function file(name: string, bytes: Uint8Array, folder?: string): Promise<string> {
  const at = path.join(folder ?? (await temporaryFolder()), name);
  await writeFile(at, bytes);
  return at;
}

interface Read {
  readonly format: string;
  readonly documents: (Omit<LayoutDocument, 'table'> & { rows: PatchRows })[];
}

/** All rows of every document, put together. */
async function read(at: string, options: LayoutOptions & { rowBytes?: number } = {}): Promise<Read> {
  const layout = await openLayout(at, options);
  try {
    const documents: Read['documents'] = [];
    for await (const { table, ...document } of layout.documents()) {
      await table.check();
      const { firstPatch, patches, firstByte } = document;
      const chunks: PatchRows[] = [];
      const range = { from: firstPatch, to: firstPatch + patches, byteFrom: firstByte };
      for await (const rows of table.rows({ ...range, rowBytes: options.rowBytes })) chunks.push(rows);
      documents.push({ ...document, rows: joined(chunks) });
    }
    return { format: layout.format, documents };
  } finally {
    await layout.close();
  }
}

function joined(chunks: readonly PatchRows[]): PatchRows {
  const all = <T extends Float32Array | Int32Array | Uint8Array>(pick: (rows: PatchRows) => T | undefined) =>
    chunks.some((rows) => pick(rows) === undefined) ? undefined : chunks.flatMap((rows) => [...(pick(rows) ?? [])]);
  let first = chunks[0]?.first ?? 0;
  for (const rows of chunks) {
    expect(rows.first).toBe(first);
    first += rows.patches;
  }
  return {
    first: chunks[0]?.first ?? 0,
    start: chunks[0]?.start ?? 0,
    patches: chunks.reduce((sum, rows) => sum + rows.patches, 0),
    lengths: all((rows) => rows.lengths),
    bytes: all((rows) => rows.bytes),
    embeddings: all((rows) => rows.embeddings),
    prominence: all((rows) => rows.prominence),
    entropy: all((rows) => rows.entropy),
    coherence: all((rows) => rows.coherence),
    nextEntropies: all((rows) => rows.nextEntropies),
    entropies: all((rows) => rows.entropies),
    norms: all((rows) => rows.norms),
  } as unknown as PatchRows;
}

const close = (values: unknown, expected: readonly number[]): void => {
  expect(values).toHaveLength(expected.length);
  for (const [i, value] of (values as number[]).entries()) expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 4);
};

const document = oldDocument([3, 1, 4, 1, 5]);
const { bytes, lengths, norms, entropies } = document;
const coherence = norms.map((norm, i) => (norm * norm) / ((entropies[i] ?? 0) + 1e-6));

describe('layouts of every token', () => {
  it('f1: special tokens belong to no patch, and states are pooled', async () => {
    const { format, documents } = await read(await file('doc.safetensors', f1(document)));
    expect(format).toBe('f1');
    expect(documents).toHaveLength(1);
    expect(documents[0]).toMatchObject({ id: 'doc', patches: 5, bytes: 14, part: 0, complete: true });
    const rows = documents[0]?.rows;
    expect(rows?.lengths).toEqual(lengths);
    close(rows?.embeddings, pooledStates(document));
    close(rows?.prominence, pooled(lengths, norms));
    // what the file does not hold is not there, rather than zero
    for (const name of ['bytes', 'entropy', 'coherence', 'nextEntropies', 'norms'] as const)
      expect(rows?.[name]).toBeUndefined();
  });

  it('f1: of a writer that added no special tokens, where that is said', async () => {
    const { documents } = await read(await file('doc.safetensors', f1(document, false)), { specialTokens: false });
    expect(documents[0]?.rows.lengths).toEqual(lengths);
    close(documents[0]?.rows.embeddings, pooledStates(document));
  });

  it('f2: with mean entropies and mean coherence', async () => {
    const { format, documents } = await read(await file('doc.safetensors', f2(document)));
    expect(format).toBe('f2');
    const rows = documents[0]?.rows;
    expect(rows?.lengths).toEqual(lengths);
    close(rows?.entropy, pooled(lengths, entropies));
    close(rows?.coherence, pooled(lengths, coherence.map(Math.fround)));
    close(rows?.nextEntropies, entropies);
    expect(rows?.bytes).toBeUndefined();
  });

  it('f2: a part of a document whose patch_indices still count from the whole', async () => {
    const { documents } = await read(await file('item_1_part_1.safetensors', f2(document, [5, 14])));
    // bytes 5 to 7 end a patch that began before
    expect(documents[0]?.rows.lengths).toEqual([3, 1, 5]);
    close(documents[0]?.rows.prominence, pooled([3, 1, 5], norms.slice(5)));
  });

  it('f3: bytes come from the tokens, and the name from sample_id', async () => {
    const { format, documents } = await read(await file('x.safetensors', f3(document, 'task/7')));
    expect(format).toBe('f3');
    expect(documents[0]?.id).toBe('task/7');
    expect(documents[0]?.rows.bytes).toEqual([...bytes]);
    expect(documents[0]?.rows.lengths).toEqual(lengths);
    close(documents[0]?.rows.embeddings, pooledStates(document));
    close(documents[0]?.rows.coherence, pooled(lengths, coherence.map(Math.fround)));
  });

  it('pools alike whatever is read at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 200 }),
        async (sizes, rowBytes) => {
          const old = oldDocument(sizes);
          const at = await file('x.safetensors', f3(old), folder);
          const { documents } = await read(at, { rowBytes });
          expect(documents[0]?.rows.lengths ?? []).toEqual(sizes);
          expect(documents[0]?.rows.bytes ?? []).toEqual([...old.bytes]);
          close(documents[0]?.rows.embeddings ?? [], pooledStates(old));
        },
      ),
      { numRuns: 40 },
    );
  });
});

const folder = await temporaryFolder();

describe('layouts of patches', () => {
  it('f4: bytes, lengths and entropies, and nothing that would have to be made up', async () => {
    const { format, documents } = await read(await file('a.safetensors', f4(document)));
    expect(format).toBe('f4');
    const rows = documents[0]?.rows;
    expect(rows?.lengths).toEqual(lengths);
    expect(rows?.bytes).toEqual([...bytes]);
    close(rows?.entropy, pooled(lengths, entropies));
    expect(rows?.embeddings).toBeUndefined();
    expect(rows?.prominence).toBeUndefined();
  });

  it('f5 and corpora, with and without bytes', async () => {
    const five = await read(await file('a.safetensors', f5(document)));
    expect(five.format).toBe('f5');
    close(five.documents[0]?.rows.nextEntropies, entropies);
    for (const made of [five, await read(await file('a.safetensors', corpus(document)))]) {
      const rows = made.documents[0]?.rows;
      expect(rows?.lengths).toEqual(lengths);
      expect(rows?.bytes).toEqual([...bytes]);
      close(rows?.embeddings, pooledStates(document));
      close(rows?.entropy, pooled(lengths, entropies));
    }
    const bare = await read(await file('a.safetensors', corpus(document, false)));
    expect(bare.format).toBe('corpus');
    expect(bare.documents[0]?.rows.lengths).toBeUndefined();
    close(bare.documents[0]?.rows.embeddings, pooledStates(document));
  });

  it('reads any range of rows in chunks of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 }),
        fc.nat(60),
        fc.nat(60),
        fc.integer({ min: 1, max: 500 }),
        async (sizes, a, b, rowBytes) => {
          const old = oldDocument(sizes);
          const [from, to] = [Math.min(a, b, sizes.length), Math.min(Math.max(a, b), sizes.length)];
          const layout = await openLayout(await file('x.safetensors', f5(old), folder));
          const chunks: PatchRows[] = [];
          for await (const { table } of layout.documents())
            for await (const rows of table.rows({ from, to, rowBytes })) chunks.push(rows);
          await layout.close();
          const start = sizes.slice(0, from).reduce((sum, length) => sum + length, 0);
          const end = sizes.slice(0, to).reduce((sum, length) => sum + length, 0);
          const all = joined(chunks);
          expect(all.lengths ?? []).toEqual(sizes.slice(from, to));
          expect(all.bytes ?? []).toEqual([...old.bytes.subarray(start, end)]);
          for (const rows of chunks) expect(rows.patches === 1 || (rows.bytes?.length ?? 0) <= rowBytes).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('sluice: documents, parts and signals of shards', async () => {
    const root = await makeOutput();
    const values = twoSplits.flatMap((documents) => patchesOf(documents));
    const shard = await read(path.join(root, 'shards/00000-000000.safetensors'));
    expect(shard.format).toBe('sluice');
    expect(shard.documents.map(({ id, patches, segments }) => [id, patches, segments?.length])).toEqual([
      ['doc-0', 3, 2],
      ['doc-1', 0, 0],
      ['doc-2', 2, 1],
    ]);
    const own = shard.documents[0];
    expect(own).toMatchObject({ uri: 'in/0.txt', position: { ordinal: 0, line: 1 }, byteLength: 9, meta: '{"n":0}' });
    expect(
      own?.segments?.map(({ label, modality, start, segmentBytes }) => [label, modality, start, segmentBytes]),
    ).toEqual([
      ['part 0', 'text', 0, 7],
      ['part 1', 'code', 0, 2],
    ]);
    expect(own?.rows.entropies).toEqual([...(values[0]?.entropies ?? []), ...(values[1]?.entropies ?? [])]);
    const layout = await openLayout(path.join(root, 'shards/00001-000001.safetensors'));
    for await (const first of layout.documents()) {
      expect(first).toMatchObject({ id: 'doc-0', part: 1, byteLength: 2800 });
      break;
    }
    await layout.close();
  });
});

describe('beside a file', () => {
  const hash = createHash('sha256').update(bytes).digest('hex');

  it('a sidecar of schema 2 tells hash, size and modality', async () => {
    const at = await file('a.safetensors', f4(document));
    ingestSidecar(at.replace('.safetensors', '.hypergraph.db'), hash, document, 'code_ast');
    const { documents } = await read(at);
    expect(documents[0]).toMatchObject({ sha256: hash, byteLength: 14, modality: 'code_ast' });
  });

  it('is found where the writer took the end of a name for an extension, unless it is of another input', async () => {
    const at = await file('a.b.safetensors', f4(document, 'a.b.hypergraph.db'));
    ingestSidecar(path.join(path.dirname(at), 'a.hypergraph.db'), hash, document, 'pdf');
    expect((await read(at)).documents[0]).toMatchObject({ id: 'a.b', modality: 'pdf', sha256: hash });
    const other = await file('a.c.safetensors', f4(oldDocument([3, 1, 4, 1, 5], 3, 2)), path.dirname(at));
    const [found] = (await read(other)).documents;
    expect(found).toMatchObject({ foreignSidecar: 'a.hypergraph.db' });
    expect(found?.modality).toBeUndefined();
    expect(found?.sha256).toBeUndefined();
  });

  it('a .metadata.json tells the modality', async () => {
    const at = await file('a.safetensors', f2(document));
    await writeFile(at.replace('.safetensors', '.metadata.json'), JSON.stringify({ modality: 'audio', segments: [] }));
    expect((await read(at)).documents[0]?.modality).toBe('audio');
  });

  it('a sidecar of a corpus tells its documents apart', async () => {
    const at = await file('corpus.safetensors', corpus(document));
    const nodes = [
      oldNode.trunk('not a hash', 8),
      oldNode.branch('text_raw'),
      ...[0, 1, 2].map((i) => patchLeaf(i, i, 1)),
      oldNode.trunk(hash, 6),
      oldNode.branch('image'),
      ...[0, 1].map((i) => patchLeaf(i, i, 1)),
    ];
    sidecar2(at.replace('.safetensors', '.hypergraph.db'), nodes, [], { schema_version: '3' });
    const { documents } = await read(at);
    expect(
      documents.map(({ id, modality, patches, bytes: size, rows }) => [id, modality, patches, size, rows.start]),
    ).toEqual([
      ['corpus#0', 'text_raw', 3, 8, 0],
      ['corpus#1', 'image', 2, 6, 8],
    ]);
    expect(documents.flatMap(({ rows }) => [...(rows.bytes ?? [])])).toEqual([...bytes]);
    sidecar2(path.join(path.dirname(at), 'less.hypergraph.db'), nodes.slice(0, 6), [], { schema_version: '3' });
    const less = await file('less.safetensors', corpus(document), path.dirname(at));
    await expect(read(less)).rejects.toMatchObject({ code: 'COUNT_MISMATCH' });
  });
});

describe('a WebDataset archive', () => {
  const named = [
    { id: 'a.b', document },
    { id: '<urn:uuid:1.5>', document: oldDocument([2, 2], 3, 5) },
  ];

  it.each([true, false])('is divided at known endings, whatever dots its keys hold (gzip: %s)', async (gzip) => {
    const at = await file(gzip ? 'shard_000000.tar.gz' : 'shard_000000.tar', webdataset(named, gzip));
    const { format, documents } = await read(at);
    expect(format).toBe('webdataset');
    expect(documents.map(({ id, byteLength, format: inner }) => [id, byteLength, inner])).toEqual([
      ['a.b', 14, 'f4'],
      ['<urn:uuid:1.5>', 4, 'f4'],
    ]);
    expect(documents[0]?.rows.bytes).toEqual([...bytes]);
    const layout = await openLayout(at);
    expect(await layout.count()).toEqual({ documents: 2, patches: 7, bytes: 18 });
    await layout.close();
  });

  it('holds no samples where a run wrote none', async () => {
    expect((await read(await file('shard_000000.tar.gz', webdataset([])))).documents).toEqual([]);
  });

  it.each([
    ['without tensors', [['a.json', '{}']], 'MISSING_TENSOR'],
    [
      'whose JSON counts otherwise',
      [
        ['a.safetensors', f4(document)],
        ['a.json', '{"num_patches": 4}'],
      ],
      'HEADER_LIES',
    ],
    [
      'whose JSON is none',
      [
        ['a.safetensors', f4(document)],
        ['a.json', '{'],
      ],
      'BAD_JSON',
    ],
    ['whose tensors break off', [['a.safetensors', f4(document).subarray(0, -1)]], 'SAFETENSORS_TRUNCATED'],
  ] as const)('refuses a sample %s', async (_, members, code) => {
    await expect(read(await file('s.tar', tarOf(members)))).rejects.toMatchObject({ code });
  });

  it('refuses a member beyond the limit before it is held whole', async () => {
    const at = await file('s.tar', webdataset(named, false));
    await expect(read(at, { maxSampleBytes: 64 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });
});

describe('a corpus database', () => {
  it('gives complete documents in the order of their ids', async () => {
    const at = path.join(await temporaryFolder(), 'corpus.db');
    const other = oldDocument([2, 2], 3, 5);
    corpusDb(at, [
      { id: 'b', document },
      { id: 'c', document, status: 'processing' },
      { id: 'a', document: other },
    ]);
    const { format, documents } = await read(at, { rowBytes: 40 });
    expect(format).toBe('corpus-db');
    expect(documents.map(({ id, patches, byteLength }) => [id, patches, byteLength])).toEqual([
      ['a', 2, 4],
      ['b', 5, 14],
    ]);
    expect(documents[1]?.rows.bytes).toEqual([...bytes]);
    close(documents[1]?.rows.embeddings, pooledStates(document));
    close(documents[1]?.rows.entropy, pooled(lengths, entropies));
  });

  it('refuses a document whose rows were written twice, and knows one without bytes', async () => {
    const at = path.join(await temporaryFolder(), 'corpus.db');
    corpusDb(at, [{ id: 'a', document, twice: true }]);
    await expect(read(at)).rejects.toMatchObject({ code: 'COUNT_MISMATCH', hint: expect.stringContaining('twice') });
    const bare = path.join(await temporaryFolder(), 'bare.db');
    corpusDb(bare, [{ id: 'a', document }], false);
    expect((await read(bare)).documents[0]?.rows.lengths).toBeUndefined();
  });

  it('is no other database', async () => {
    const at = path.join(await temporaryFolder(), 'x.db');
    await writeFile(at, 'not SQLite at all, whatever the name says');
    await expect(openLayout(at)).rejects.toMatchObject({ code: 'BAD_CORPUS' });
  });
});

describe('what is wrong with a file', () => {
  const good = {
    bytes: { dtype: 'U8', shape: [4], values: [1, 2, 3, 4] },
    patch_lengths: { dtype: 'I32', shape: [2], values: [1, 3] },
    embeddings: { dtype: 'F32', shape: [2, 2], values: [1, 2, 3, 4] },
    prominence: { dtype: 'F32', shape: [2], values: [1, 2] },
  } as const;
  const [nan, ints] = [Number.NaN, { dtype: 'I32', shape: [2], values: [1, 2] } as const];

  it.each([
    [
      'a patch that ends behind the bytes',
      { patch_lengths: { ...good.patch_lengths, values: [1, 4] } },
      {},
      'PATCH_PAST_BYTES',
    ],
    ['a patch of no bytes', { patch_lengths: { ...good.patch_lengths, values: [0, 4] } }, {}, 'BAD_VALUE'],
    ['a negative length', { patch_lengths: { ...good.patch_lengths, values: [-1, 5] } }, {}, 'BAD_VALUE'],
    [
      'more lengths than embeddings',
      { patch_lengths: { dtype: 'I32', shape: [3], values: [1, 1, 2] } },
      {},
      'COUNT_MISMATCH',
    ],
    ['fewer norms than patches', { prominence: { dtype: 'F32', shape: [1], values: [1] } }, {}, 'COUNT_MISMATCH'],
    ['norms of another type', { prominence: ints }, {}, 'WRONG_TENSOR'],
    [
      'embeddings of another shape',
      { embeddings: { dtype: 'F32', shape: [4], values: [1, 2, 3, 4] } },
      {},
      'WRONG_TENSOR',
    ],
    ['a norm that is no number', { prominence: { ...good.prominence, values: [1, nan] } }, {}, 'BAD_VALUE'],
    ['an embedding that is no number', { embeddings: { ...good.embeddings, values: [1, 2, nan, 4] } }, {}, 'BAD_VALUE'],
    ['a header that counts otherwise', {}, { n_patches: '3' }, 'HEADER_LIES'],
    ['a header that says another width', {}, { embed_dim: '768' }, 'HEADER_LIES'],
    ['a header that says other bytes', {}, { total_bytes: '5' }, 'HEADER_LIES'],
    ['entropies of other bytes', { entropies: { dtype: 'F32', shape: [3], values: [1, 1, 1] } }, {}, 'COUNT_MISMATCH'],
  ] as const)('is told: %s', async (_, change, metadata, code) => {
    const at = await file('bad.safetensors', tensorFile({ ...good, ...change }, metadata));
    await expect(read(at)).rejects.toMatchObject({ code, path: at });
  });

  it.each([
    ['tokens that are no bytes', f3({ ...document, bytes: Uint8Array.from(bytes, () => 0) }), -4, 'BAD_VALUE'],
  ] as const)('is told: %s', async (_, made, shift, code) => {
    const header = Number(made.readBigUInt64LE(0));
    const { tokens } = JSON.parse(made.toString('utf8', 8, 8 + header));
    const changed = Buffer.from(made);
    const at = 8 + header + tokens.data_offsets[0];
    changed.writeInt32LE(changed.readInt32LE(at) + shift, at);
    await expect(read(await file('x.safetensors', changed))).rejects.toMatchObject({ code });
  });

  it('is told: no layout, an older one cut off, a header that lies about its length', async () => {
    const other = tensorFile({ weights: { dtype: 'F32', shape: [1], values: [1] } });
    await expect(openLayout(await file('x.safetensors', other))).rejects.toMatchObject({ code: 'UNKNOWN_LAYOUT' });
    const cut = f2(document).subarray(0, -3);
    await expect(openLayout(await file('x.safetensors', cut))).rejects.toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
    const lying = Buffer.from(f4(document));
    lying.writeBigUInt64LE(1n << 40n);
    await expect(openLayout(await file('x.safetensors', lying))).rejects.toMatchObject({
      code: expect.stringMatching(/^SAFETENSORS_/),
    });
    await expect(openLayout(await file('x.safetensors', Buffer.from('abc')))).rejects.toMatchObject({
      code: 'SAFETENSORS_TRUNCATED',
    });
    await expect(openLayout('no/such/file.safetensors')).rejects.toMatchObject({ code: 'UNREADABLE' });
  });

  it('never ends in anything but an error of ours, whichever byte is another', async () => {
    const made = [f1(document), f2(document), f3(document), f4(document), f5(document), corpus(document)];
    await fc.assert(
      fc.asyncProperty(fc.nat(made.length - 1), fc.nat(), fc.nat(255), async (which, place, value) => {
        const changed = Buffer.from(made[which] ?? []);
        // the header and the integers; floats may be any number
        changed[place % Math.min(changed.length, 1200)] = value;
        const at = await file('fuzz.safetensors', changed, folder);
        const outcome = await read(at).then(
          () => 'read',
          (error: { code?: unknown }) => error.code,
        );
        expect(typeof outcome).toBe('string');
      }),
      { numRuns: 150 },
    );
  });

  it('trailing bytes are told of and belong to no patch', async () => {
    const longer = tensorFile({ ...good, bytes: { dtype: 'U8', shape: [6], values: [1, 2, 3, 4, 5, 6] } });
    const layout = await openLayout(await file('x.safetensors', longer));
    for await (const { table } of layout.documents()) expect(table).toMatchObject({ bytes: 4, trailingBytes: 2 });
    await layout.close();
  });
});
