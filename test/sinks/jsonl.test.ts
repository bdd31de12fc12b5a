import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { map } from 'rxjs';
import { definePipeline } from 'sluice';
import { describe, expect, it } from 'vitest';
import { checkPatchLines, type ExpectedLines } from '../../src/formats/checkPatchLines.ts';
import type { Document, Patches } from '../../src/records.ts';
import { run } from '../../src/run/run.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { type JsonlOptions, jsonl } from '../../src/sinks/jsonl.ts';
import { numbers } from '../support/lines.ts';
import { divided, filesOf, patchesOf, type Sketch, sketches, temporaryFolder, writeAll } from './flow.ts';

const documentOf = (bytes: Uint8Array, ordinal = 0, meta: Document['meta'] = {}): Document => ({
  id: `d${ordinal}`,
  source: { split: '00000', uri: 'a.jsonl', position: { ordinal, line: ordinal + 1 } },
  bytes,
  meta,
});

async function linesOf(
  documents: Document[],
  fileBytes?: number,
): Promise<{ files: string[][]; artefacts: unknown[]; counts: object }> {
  const { root, artefacts, counts } = await writeAll([jsonl('documents', { fileBytes })], documents);
  const files = [...(await filesOf(root, 'documents')).values()].map((file) =>
    file.toString().split('\n').slice(0, -1),
  );
  return { files, artefacts, counts };
}

describe('jsonl sink', () => {
  it('writes one line a document, text as text and other bytes as base64', async () => {
    const meta = { b: 10n ** 20n, a: [1, null, true], at: new Date(0), raw: Uint8Array.of(1, 2), bad: Number.NaN };
    const { files } = await linesOf([
      documentOf(Buffer.from('né\n"x"'), 0, meta),
      documentOf(Uint8Array.of(255, 0), 1),
    ]);
    expect(files).toEqual([
      [
        '{"id":"d0","uri":"a.jsonl","position":{"ordinal":0,"line":1},"meta":{"a":[1,null,true],"at":"1970-01-01T00:00:00.000Z","b":100000000000000000000,"bad":null,"raw":{"base64":"AQI="}},"text":"né\\n\\"x\\""}',
        '{"id":"d1","uri":"a.jsonl","position":{"ordinal":1,"line":2},"meta":{},"base64":"/wA="}',
      ],
    ]);
  });

  it('gives back the bytes of any document', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.uint8Array(),
            fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
          ),
        ),
        async (contents) => {
          const { files, counts } = await linesOf(
            contents.map((bytes, i) => documentOf(bytes, i)),
            300,
          );
          const back = files.flat().map((line) => {
            const { text, base64 } = JSON.parse(line);
            return Buffer.from(text ?? base64, text === undefined ? 'base64' : 'utf8');
          });
          expect(back).toEqual(contents.map((bytes) => Buffer.from(bytes)));
          expect(counts).toEqual({
            documents: contents.length,
            bytes: contents.reduce((sum, bytes) => sum + bytes.length, 0),
          });
        },
      ),
      { numRuns: 20 },
    );
  });

  it('begins a new file where a line would make one too large', async () => {
    const documents = [10, 200, 10, 10, 10].map((size, i) => documentOf(Buffer.alloc(size, 'x'), i));
    const { files, artefacts } = await linesOf(documents, 200);
    expect(files.map((lines) => lines.length)).toEqual([1, 1, 2, 1]);
    expect(artefacts).toMatchObject(
      [1, 1, 2, 1].map((count, i) => ({
        path: `documents/00000-00000${i}.jsonl`,
        info: { format: 'sluice_documents_v1', documents: count },
      })),
    );
  });

  it('writes nothing for a split that yields nothing', async () => {
    expect(await linesOf([])).toEqual({ files: [], artefacts: [], counts: { documents: 0, bytes: 0 } });
  });

  it.each([0, -1, 1.5])('refuses files of %d bytes', (fileBytes) => {
    expect(() => jsonl('documents', { fileBytes })).toThrow(expect.objectContaining({ code: 'BAD_FILE_BYTES' }));
  });
});

describe('jsonl sink of patches', () => {
  const three: Sketch[] = [{ segments: [[3, 4], [2]] }, { segments: [[]] }, { segments: [[5]], derived: 'x -> y' }];

  async function written(values: Patches[], options: JsonlOptions = {}) {
    const { root, artefacts, counts } = await writeAll([jsonl('patches', options)], values);
    const files = await filesOf(root, 'patches');
    const lines = [...files.values()].flatMap((file) => file.toString().split('\n').slice(0, -1));
    return { root, files, artefacts, counts, texts: lines, lines: lines.map((line) => JSON.parse(line)) };
  }

  it('writes one line a document, with what is known of each of its patches', async () => {
    const values = patchesOf(three, 2);
    const { lines, artefacts, counts } = await written(values);
    expect(artefacts).toMatchObject([
      {
        path: 'patches/00000-000000.jsonl',
        info: { format: 'sluice_patches_jsonl_v1', split: '00000', lines: 3, documents: 3, patches: 4, bytes: 14 },
      },
    ]);
    expect(counts).toEqual({ documents: 3, patches: 4, bytes: 14 });
    const bytes = Buffer.concat(values.slice(0, 2).map((value) => value.bytes));
    const all = (pick: (value: Patches) => Float32Array) => values.slice(0, 2).flatMap((value) => [...pick(value)]);
    expect(lines[0]).toEqual({
      id: 'doc-0',
      uri: 'in/0.txt',
      position: { ordinal: 0, line: 1 },
      modality: 'text',
      meta: { n: 0 },
      part: 0,
      complete: true,
      num_patches: 3,
      total_bytes: 9,
      embed_dim: 0,
      patch_lengths: [3, 4, 2],
      prominence: all((value) => value.prominence),
      patch_entropies: all((value) => value.entropy),
      coherence: all((value) => value.coherence),
      text: bytes.toString(),
    });
    expect(lines[1]).toMatchObject({ num_patches: 0, patch_lengths: [], text: '' });
    expect(lines[2]).toMatchObject({
      derived: ['x -> y'],
      base64: Buffer.from(values.at(-1)!.bytes).toString('base64'),
    });
  });

  it('gives numbers that are the same f32 again, embeddings in either form', async () => {
    const [value] = patchesOf([{ segments: [[1, 1, 1]] }], 2);
    const odd = {
      ...value!,
      prominence: Float32Array.of(0.1, 1e-40, 3.4e38),
      embeddings: Float32Array.of(0.1, -0.3, 1e20, 7, 0, -1),
    };
    const { lines } = await written([odd], { embeddings: 'list' });
    expect(lines[0].prominence.map(Math.fround)).toEqual([...odd.prominence]);
    expect(lines[0]).toMatchObject({ embed_dim: 2 });
    expect(lines[0].embeddings.map((row: number[]) => row.length)).toEqual([2, 2, 2]);
    expect(lines[0].embeddings.flat().map(Math.fround)).toEqual([...odd.embeddings]);
    const { lines: packed } = await written([odd], { embeddings: 'base64' });
    expect(Buffer.from(packed[0].embeddings, 'base64')).toEqual(Buffer.from(odd.embeddings.buffer));
  });

  it('loses nothing, writes the same bytes however the flow is divided, and passes its own check', async () => {
    const at = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    const options = fc.record({
      embeddings: fc.constantFrom('none', 'list', 'base64'),
      fileBytes: fc.integer({ min: 1, max: 9000 }),
      documentBytes: fc.integer({ min: 4096, max: 9000 }),
    }) as fc.Arbitrary<JsonlOptions>;
    await fc.assert(
      fc.asyncProperty(sketches({ maxLength: 300 }), at, options, async (documents, cuts, chosen) => {
        const values = patchesOf(documents);
        const whole = await written(values, chosen);
        expect((await written(divided(values, cuts), chosen)).files).toEqual(whole.files);
        const contents = whole.lines.map(({ text, base64 }) =>
          Buffer.from(text ?? base64, text === undefined ? 'base64' : 'utf8'),
        );
        expect(Buffer.concat(contents)).toEqual(Buffer.concat(values.map(({ bytes }) => bytes)));
        expect(whole.lines.flatMap((line) => line.patch_lengths)).toEqual(
          values.flatMap(({ lengths }) => [...lengths]),
        );
        for (const { path: file, info } of whole.artefacts) {
          expect(await complaints(path.join(whole.root, file), info as unknown as ExpectedLines)).toEqual([]);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('goes on with a large document in further lines', async () => {
    const { lines } = await written(patchesOf([{ segments: [Array(200).fill(7)] }]), { documentBytes: 8192 });
    expect(lines.map(({ part, complete }) => [part, complete])).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ]);
  });

  it('does not count embeddings that it does not write', async () => {
    const wide = patchesOf([{ segments: [Array(50).fill(7)] }], 256);
    expect((await written(wide, { documentBytes: 8192 })).lines).toHaveLength(1);
    expect((await written(wide, { documentBytes: 8192, embeddings: 'base64' })).lines.length).toBeGreaterThan(5);
  });

  it.each([
    [{ embeddings: 'hex' }, 'BAD_EMBEDDINGS'],
    [{ documentBytes: 1 }, 'BAD_DOCUMENT_BYTES'],
    [{ into: '../x' }, 'BAD_NAME'],
  ])('refuses %j', (options, code) => {
    expect(() => jsonl('patches', options as JsonlOptions)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses documents among patches', async () => {
    const mixed = [...patchesOf(three), documentOf(Buffer.from('x'))];
    await expect(writeAll([jsonl()], mixed)).rejects.toMatchObject({ code: 'MIXED_VALUES' });
  });

  it('gathers the documents of all splits into one file, whose counts are their sums', async () => {
    const output = await temporaryFolder();
    const pipeline = definePipeline('gather', numbers([3, 0, 2]))
      .pipe(map((document: Document) => document))
      .to(jsonl('kept', { into: 'kept.jsonl' }));
    await run(pipeline, { output });
    expect((await filesOf(output, 'kept')).size).toBe(0);
    const lines = (await readFile(path.join(output, 'kept.jsonl'), 'utf8')).split('\n').slice(0, -1);
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(['00000-0', '00000-1', '00000-2', '00002-0', '00002-1']);
    const { artefacts } = JSON.parse(await readFile(path.join(output, 'manifest.json'), 'utf8'));
    expect(artefacts).toMatchObject([{ info: { format: 'sluice_documents_v1', documents: 5, bytes: 35 } }]);
    expect(await verifyOutput(output)).toMatchObject({ ok: true });
  });

  async function complaints(file: string, expected: ExpectedLines): Promise<string[]> {
    const found: string[] = [];
    await checkPatchLines(file, expected, (what) => found.push(what));
    return found;
  }
});
