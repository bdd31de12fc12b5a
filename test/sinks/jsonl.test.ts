import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Document } from '../../src/records.ts';
import { jsonl } from '../../src/sinks/jsonl.ts';
import { filesOf, writeAll } from './flow.ts';

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
