import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Patches } from '../../src/records.ts';
import { definePipeline } from '../../src/run/definition.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { hypergraph, safetensors, signals, webdataset } from '../../src/sinks/index.ts';
import { patchFiles } from '../../src/sources/index.ts';
import { makeOutput } from '../run/output.ts';
import { filesOf, patchesOf, type Sketch, sketches, temporaryFolder } from '../sinks/flow.ts';
import { misbehavingServer } from '../support/misbehavingServer.ts';
import {
  corpus,
  corpusDb,
  f1,
  f3,
  f4,
  f5,
  ingestSidecar,
  oldDocument,
  webdataset as olderWebdataset,
  pooled,
  pooledStates,
} from '../support/oldLayouts.ts';
import { codes, plan, readAll, readSplit } from './helpers.ts';

/** What a sink sees of a document, however its patches were divided into values. */
function seen(values: readonly Patches[]) {
  const documents: { id: string; byteLength: number; meta: unknown; segments: ReturnType<typeof segment>[] }[] = [];
  const segment = (value: Patches) => ({
    index: value.segment.index,
    label: value.segment.label,
    modality: value.segment.modality as string,
    origin: value.segment.origin,
    bytes: [...value.segment.bytes],
    last: value.segment.last,
    lengths: [] as number[],
    embeddings: [] as number[],
    prominence: [] as number[],
    entropy: [] as number[],
    entropies: [] as number[],
    norms: [] as number[],
  });
  let ended = true;
  for (const value of values) {
    const { document } = value.segment;
    if (ended) documents.push({ id: document.id, byteLength: document.byteLength, meta: document.meta, segments: [] });
    const open = documents.at(-1);
    let own = open?.segments.at(-1);
    if (ended || own?.index !== value.segment.index) {
      own = segment(value);
      expect(value.offset).toBe(0);
      open?.segments.push(own);
    }
    expect(value.offset).toBe(own.lengths.reduce((sum, length) => sum + length, 0));
    expect([...value.bytes]).toEqual(own.bytes.slice(value.offset, value.offset + value.bytes.length));
    for (const name of ['lengths', 'embeddings', 'prominence', 'entropy', 'entropies', 'norms'] as const)
      own[name].push(...value[name]);
    expect(value.coherence).toEqual(
      Float32Array.from(value.prominence, (norm, i) => (norm * norm) / ((value.entropy[i] ?? 0) + 1e-6)),
    );
    ended = value.last && value.segment.last;
  }
  expect(ended).toBe(true);
  return documents;
}

/** What an output says of the same documents: segments without patches leave no trace. */
function expected(documents: readonly Sketch[]) {
  const values = patchesOf(documents).map((value) => ({
    ...value,
    coherence: Float32Array.from(value.prominence, (norm, i) => (norm * norm) / ((value.entropy[i] ?? 0) + 1e-6)),
  }));
  return seen(values).map((document) => {
    const segments = document.segments.filter(({ lengths }) => lengths.length > 0);
    if (segments.length === 0)
      return { ...document, segments: [expect.objectContaining({ bytes: [], lengths: [], last: true })] };
    return { ...document, segments: segments.map((own, i) => ({ ...own, last: i === segments.length - 1 })) };
  });
}

describe('older files on a server', () => {
  it.each(['ahead', 'in their turn'])('are fetched once, %s', async (when) => {
    const document = oldDocument(
      Array.from({ length: 3000 }, (_, n) => 1 + (n % 5)),
      16,
    );
    const contents = {
      'a.tar.gz': olderWebdataset([{ id: 'a.b', document }]),
      'b.tar': olderWebdataset([{ id: 'b', document }], false),
      'c.safetensors': f5(document),
    };
    const server = await misbehavingServer(contents);
    onTestFinished(() => server.close());
    const remote = { http: { endpoints: [server.origin] } };
    const source = patchFiles(
      Object.keys(contents).map((name) => server.url(name)),
      { remote, absent: { prominence: 1 } },
    );
    const splits = await plan(source, 1);
    const planned = server.served();
    // Of a safetensors file the header and the lengths.
    expect(planned).toBeLessThan(32_000);
    if (when === 'ahead') for (const split of splits) await source.ahead?.fetch(split, new AbortController().signal);
    const values = (await Promise.all(splits.map((split) => readSplit(source, split)))).flat();
    expect(values.reduce((sum, { lengths }) => sum + lengths.length, 0)).toBe(9000);
    const sizes = Object.values(contents).reduce((sum, { length }) => sum + length, 0);
    expect(server.served() - planned).toBe(sizes);
  });
});

describe('an output of ours', () => {
  it('gives back the documents that were written, through shards of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sketches({ maxLength: 300, maxPatches: 60 }), { minLength: 1, maxLength: 2 }),
        async (splits) => {
          fc.pre(splits.some((documents) => documents.length > 0));
          const root = await makeOutput(splits);
          const { records, rejects } = await readAll(patchFiles(root));
          expect(rejects).toEqual([]);
          expect(seen(records)).toEqual(splits.flatMap((documents) => expected(documents)));
          await rm(root, { recursive: true });
        },
      ),
      { numRuns: 15 },
    );
  });

  it('keeps a document that is larger than a shard together in one split', async () => {
    const long: Sketch = { segments: [Array(300).fill(9), Array(300).fill(8), [1]], meta: { big: 2n ** 60n } };
    const root = await makeOutput([[{ segments: [[1]] }, long, { segments: [[2, 2]] }], [{ segments: [[3]] }]]);
    const shards = (await readdir(path.join(root, 'shards'))).filter((name) => /\d\.safetensors$/.test(name));
    const splits = await plan(patchFiles(root), 1);
    expect(shards.length).toBeGreaterThan(splits.length);
    expect(splits.reduce((sum, split) => sum + split.bytes, 0)).toBe(1 + 300 * 17 + 1 + 4 + 3);
    const { records } = await readAll(patchFiles(root));
    expect(seen(records)).toEqual([
      ...expected([{ segments: [[1]] }, long, { segments: [[2, 2]] }]),
      ...expected([{ segments: [[3]] }]),
    ]);
    expect(records[1]?.segment.document.meta).toEqual({ big: 2n ** 60n });
  });

  it('run through the same sinks gives the same files, where every split has one shard', async () => {
    const root = await temporaryFolder();
    const source = await makeOutput([[{ segments: [[3, 4], [2]] }, { segments: [[]] }], [{ segments: [[5]] }]]);
    const sinks = () => [safetensors(), hypergraph(), signals()] as const;
    const first = path.join(root, 'first');
    await run(definePipeline('first', patchFiles(source)).to(...sinks()), { output: first });
    const again = path.join(root, 'again');
    await run(definePipeline('again', patchFiles(first)).to(...sinks()), { output: again });
    expect(await filesOf(again)).toEqual(await filesOf(first));
    expect(await verifyOutput(again)).toMatchObject({ ok: true, totals: { documents: 3, patches: 4, bytes: 14 } });
    const wanted = await filesOf(source);
    const made = await filesOf(first);
    for (const name of ['00000-000000.safetensors', '00000-000000.signals.safetensors', '00001-000000.safetensors'])
      expect(made.get(name)).toEqual(wanted.get(name));
  });

  it('without sidecars is one document a shard, and without signals has none', async () => {
    const root = await makeOutput([[{ segments: [[3, 4], [2]] }, { segments: [[5]] }]]);
    for (const name of ['00000-000000.hypergraph.db', '00000-000000.signals.safetensors'])
      await rm(path.join(root, 'shards', name));
    const { records } = await readAll(patchFiles(root));
    expect(seen(records)).toMatchObject([{ id: '00000-000000', segments: [{ lengths: [3, 4, 2, 5], entropies: [] }] }]);
  });

  it('is refused where it is not finished, not whole, or has changed since it was planned', async () => {
    const root = await makeOutput();
    const [split] = await plan(patchFiles(root), 1);
    const file = path.join(root, 'shards/00000-000000.hypergraph.db');
    await utimes(file, 1, 1);
    await expect(readSplit(patchFiles(root), split!)).rejects.toMatchObject({ code: 'INPUT_CHANGED', path: file });
    await writeFile(path.join(root, 'shards/00001-000000.safetensors'), 'cut');
    await expect(plan(patchFiles(root), 1)).rejects.toMatchObject({ code: 'DAMAGED' });
    await rm(path.join(root, 'shards/00001-000000.safetensors'));
    await expect(plan(patchFiles(root), 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const manifest = JSON.parse(await readFile(path.join(root, 'manifest.json'), 'utf8'));
    for (const artefact of [null, { path: '../x', split: '00000', info: {} }, { path: 'x', split: '00000' }]) {
      await writeFile(path.join(root, 'manifest.json'), JSON.stringify({ ...manifest, artefacts: [artefact] }));
      await expect(plan(patchFiles(root), 1)).rejects.toMatchObject({ code: 'BAD_MANIFEST' });
    }
    await rm(path.join(root, 'manifest.json'));
    await expect(plan(patchFiles(root), 1)).rejects.toMatchObject({ code: 'INCOMPLETE' });
    await expect(plan(patchFiles(root, { dir: 'other' }), 1)).rejects.toMatchObject({ code: 'INCOMPLETE' });
  });

  it('says which folders it has', async () => {
    const root = await makeOutput();
    await expect(plan(patchFiles(root, { dir: 'other' }), 1)).rejects.toMatchObject({
      code: 'NO_FILES',
      hint: expect.stringContaining('shards'),
    });
    expect((await plan(patchFiles(root, { dir: 'shards' }), 1)).length).toBeGreaterThan(1);
  });

  it('a shard by itself gives its whole documents and rejects the part of one', async () => {
    const root = await makeOutput([[{ segments: [[1]] }, { segments: [Array(400).fill(7)] }]]);
    const shards = [0, 1].map((n) => path.join(root, `shards/00000-00000${n}.safetensors`));
    const outcome = await readAll(patchFiles(shards));
    expect(seen(outcome.records)).toEqual(expected([{ segments: [[1]] }]));
    expect(codes(outcome)).toEqual(['PART_OF_DOCUMENT']);
  });
});

const document = oldDocument([3, 1, 4, 1, 5]);
const { lengths, norms, entropies, bytes } = document;

describe('files of older layouts', () => {
  async function tree(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
    const root = await temporaryFolder();
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true });
      await writeFile(path.join(root, name), content);
    }
    return root;
  }

  it('are documents of one segment, in the order of their paths', async () => {
    const root = await tree({
      'b/five.safetensors': f5(document),
      'a.safetensors': f3(document),
      'c.tar.gz': olderWebdataset([{ id: 'x.y', document }]),
      'd.safetensors': corpus(document),
    });
    corpusDb(path.join(root, 'e.db'), [{ id: 'one', document }]);
    const outcome = await readAll(patchFiles(root, { absent: { prominence: 1 } }));
    expect(codes(outcome)).toEqual([]);
    const found = seen(outcome.records.map((value) => ({ ...value, coherence: recomputed(value) })));
    expect(found.map(({ id, byteLength }) => [id, byteLength])).toEqual([
      ['task/7', 14],
      ['five', 14],
      ['x.y', 14],
      ['d', 14],
      ['one', 14],
    ]);
    for (const { segments } of found) {
      expect(segments).toHaveLength(1);
      expect(segments[0]).toMatchObject({ lengths, bytes: [...bytes], last: true });
      close(segments[0]?.entropy, pooled(lengths, entropies));
      // entropies of older writers are about the byte behind
      expect(segments[0]?.entropies).toEqual([]);
    }
    close(found[0]?.segments[0]?.embeddings, pooledStates(document));
    close(found[0]?.segments[0]?.prominence, pooled(lengths, norms));
    expect(found[2]?.segments[0]?.prominence).toEqual([1, 1, 1, 1, 1]);
    expect(outcome.records[0]?.coherence).toHaveLength(5);
  });

  it('share splits where they are small', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `${String(i).padStart(2, '0')}.safetensors`);
    const root = await tree(Object.fromEntries(names.map((name) => [name, f5(document)])));
    expect(await plan(patchFiles(root), 1 << 20)).toHaveLength(1);
    expect((await plan(patchFiles(root), 1500)).length).toBeGreaterThan(5);
  });

  it('are told apart by a sidecar, and get its hash and modality', async () => {
    const root = await tree({ 'a.b.safetensors': f5(document) });
    const hash = createHash('sha256').update(bytes).digest('hex');
    ingestSidecar(path.join(root, 'a.hypergraph.db'), hash, document, 'code_ast');
    const { records } = await readAll(patchFiles(root));
    expect(records[0]?.segment).toMatchObject({ modality: 'code', document: { id: 'a.b', sha256: hash } });
    const [split] = await plan(patchFiles(root), 1);
    await copyFile(path.join(root, 'a.hypergraph.db'), path.join(root, 'a.b.hypergraph.db'));
    await expect(readSplit(patchFiles(root), split!)).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
  });

  it('are rejected where they lack what patches need, unless something is said to stand for it', async () => {
    const root = await tree({ '1.safetensors': f1(document), '4.safetensors': f4(document) });
    const outcome = await readAll(patchFiles(root));
    expect(outcome.records).toEqual([]);
    expect(outcome.rejects.map(({ error: { code, path: uri } }) => [code, uri])).toEqual([
      ['NO_BYTES', '1.safetensors'],
      ['NO_SIGNALS', '4.safetensors'],
    ]);
    const filled = await readAll(patchFiles(root, { absent: { prominence: 2, entropy: 1 } }));
    expect(codes(filled)).toEqual(['NO_BYTES']);
    expect([...(filled.records[0]?.prominence ?? [])]).toEqual([2, 2, 2, 2, 2]);
    expect(filled.records[0]).toMatchObject({ dim: 0 });
  });

  it('that are damaged are rejected whole, and those beside them are read', async () => {
    const nan = f5({ ...document, states: document.states.map((state, i) => (i === 13 ? [Number.NaN, 0, 0] : state)) });
    const outcome = await readAll(
      patchFiles(
        await tree({
          'a.safetensors': nan,
          'b.safetensors': f5(document).subarray(0, -1),
          'c.safetensors': f5(document),
          'd.tar': Buffer.concat([olderWebdataset([{ id: 'x', document }], false).subarray(0, 1024)]),
        }),
      ),
    );
    expect(new Set(outcome.records.map((value) => value.segment.document.id))).toEqual(new Set(['c']));
    expect(outcome.planRejects.map(({ code }) => code)).toEqual(['SAFETENSORS_TRUNCATED']);
    expect(outcome.rejects.map(({ error }) => error.code)).toContain('BAD_VALUE');
    expect(outcome.rejects.map(({ error }) => error.code)).toContain('TRUNCATED');
  });

  it('that our own webdataset() wrote are the same documents', async () => {
    const long: Sketch = { segments: [Array(300).fill(9)], meta: { big: 2n ** 60n, n: 1 } };
    const source = await makeOutput([[{ segments: [[3, 4]] }, long, { segments: [[2, 2]] }]]);
    const output = path.join(await temporaryFolder(), 'out');
    const sink = webdataset('wds', { compression: 'gzip', members: ['safetensors', 'json', 'payload'], samples: 2 });
    await run(definePipeline('wds', patchFiles(source)).to(sink), { output });
    const { records, rejects } = await readAll(patchFiles(path.join(output, 'wds')));
    expect(rejects).toEqual([]);
    const wanted = expected([{ segments: [[3, 4]] }, long, { segments: [[2, 2]] }]);
    expect(
      seen(records).map(({ id, meta, segments }) => [
        id,
        meta,
        segments.map(({ lengths, bytes, embeddings }) => [lengths, bytes, embeddings]),
      ]),
    ).toEqual(
      wanted.map(({ id, meta, segments }) => [
        id,
        meta,
        segments.map(({ lengths, bytes, embeddings }) => [lengths, bytes, embeddings]),
      ]),
    );
  });

  it('go through a run, are verified, and are read again as ours', async () => {
    const root = await tree({ 'a.safetensors': f3(document), 'b.safetensors': f5(oldDocument([2, 7], 3, 4)) });
    const output = path.join(root, 'out');
    const summary = await run(
      definePipeline('convert', patchFiles([path.join(root, 'a.safetensors'), path.join(root, 'b.safetensors')])).to(
        safetensors(),
        hypergraph(),
      ),
      { output },
    );
    expect(summary).toMatchObject({ rejects: 0, counts: { documents: 2, patches: 7, bytes: 23 } });
    expect(await verifyOutput(output)).toMatchObject({ ok: true });
    const { records } = await readAll(patchFiles(output));
    expect(records.map(({ segment }) => segment.document.id)).toEqual(['task/7', 'b']);
    expect((await readFile(path.join(output, 'shards/00000-000000.safetensors'))).length).toBeGreaterThan(0);
  });
});

const recomputed = ({ prominence, entropy }: Patches): Float32Array =>
  Float32Array.from(prominence, (norm, i) => (norm * norm) / ((entropy[i] ?? 0) + 1e-6));

function close(values: readonly number[] | undefined, wanted: readonly number[]): void {
  expect(values).toHaveLength(wanted.length);
  for (const [i, value] of (values ?? []).entries()) expect(value).toBeCloseTo(wanted[i] ?? Number.NaN, 4);
}
