import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RecordError } from '../../../../src/errors.ts';
import { pull } from '../../../../src/flow/index.ts';
import { type PretokenizeOptions, pretokenize } from '../../../../src/operators/pretokenize.ts';
import type { Document, Segment } from '../../../../src/records.ts';
import { withRun } from '../../../../src/run/context.ts';
import { fixture, tarOf, zipOf } from './archives.ts';

const document = (bytes: Uint8Array, uri: string): Document => ({
  id: uri,
  source: { split: '00000', uri, position: { ordinal: 3 } },
  bytes,
  meta: { from: 'test' },
});

async function cut(documents: readonly Document[], options?: PretokenizeOptions) {
  const segments: Segment[] = [];
  const rejects: RecordError[] = [];
  await new Promise<void>((resolve, reject) =>
    withRun({ reject: (_stage: string, error: RecordError) => void rejects.push(error) }, () =>
      pull(() => [documents])
        .pipe(pretokenize(options))
        .subscribe({ next: (segment) => segments.push(segment), error: reject, complete: resolve }),
    ),
  );
  return { segments, rejects };
}

describe('pretokenize of archives', () => {
  const inner = zipOf([
    { name: 'data.json', content: '{"a": 1}' },
    { name: '../up', content: 'x' },
  ]);
  const archive = gzipSync(
    tarOf([
      { name: 'read.txt', content: 'read this\n' },
      { name: 'in/ner.zip', content: inner },
    ]),
  );

  it('yields a document for each member, named after all that it lies in', async () => {
    const { segments, rejects } = await cut([document(archive, 'x.tar.gz')]);
    expect(
      segments.map(({ document: { id, record, source, byteLength, meta } }) => ({
        id,
        record,
        source,
        byteLength,
        meta,
      })),
    ).toEqual([
      {
        id: 'x.tar.gz!/read.txt',
        record: undefined,
        source: { split: '00000', uri: 'x.tar.gz!/read.txt', position: { ordinal: 3, member: 'read.txt' } },
        byteLength: 10,
        meta: { from: 'test' },
      },
      {
        id: 'x.tar.gz!/in/ner.zip!/data.json',
        record: undefined,
        source: {
          split: '00000',
          uri: 'x.tar.gz!/in/ner.zip!/data.json',
          position: { ordinal: 3, member: 'in/ner.zip!/data.json' },
        },
        byteLength: 8,
        meta: { from: 'test' },
      },
    ]);
    expect(segments.map(({ bytes, origin, mediaType }) => [Buffer.from(bytes).toString(), origin, mediaType])).toEqual([
      ['read this\n', { start: 0, end: 10 }, 'text/plain'],
      ['{"a": 1}', { start: 0, end: 8 }, 'application/json'],
    ]);
    expect(rejects).toMatchObject([
      {
        code: 'UNSAFE_PATH',
        path: 'x.tar.gz!/in/ner.zip!/../up',
        position: { ordinal: 3, member: 'in/ner.zip!/../up' },
      },
    ]);
  });

  it('yields the text of a document, derived from all of it', async () => {
    const bytes = fixture('text.docx');
    const { segments, rejects } = await cut([document(bytes, 'a.docx')]);
    expect(rejects).toEqual([]);
    expect(
      segments.map(({ label, modality, origin, document: { id }, meta }) => ({ label, modality, origin, id, meta })),
    ).toMatchObject([
      {
        label: 'text',
        modality: 'text',
        id: 'a.docx',
        origin: { start: 0, end: bytes.length, derived: expect.stringMatching(/^docx -> text \(saxes /) },
        meta: { charset: 'utf-8', part: 'word/document.xml' },
      },
      { label: 'notes', id: 'a.docx', meta: { part: 'word/footnotes.xml' } },
    ]);
  });

  it('accounts for every document: cuts of it, or a reject, in order', async () => {
    const { segments, rejects } = await cut(
      [
        document(archive.subarray(0, 30), '0.tar.gz'),
        document(zipOf([{ name: 'a', content: 'a' }]), '1.zip'),
        document(fixture('tree.7z'), '2.7z'),
        document(tarOf([{ name: 'b', content: 'b' }]).subarray(0, 1024), '3.tar'),
      ],
      { limits: { processes: 2 } },
    );
    expect(segments.map(({ document: { id } }) => id)).toEqual(['1.zip!/a', '3.tar!/b']);
    expect(rejects.map(({ code, path }) => [path, code])).toEqual([
      ['0.tar.gz', 'DAMAGED_FILE'],
      ['2.7z', 'UNDECODED'],
      ['3.tar', 'DAMAGED_FILE'],
    ]);
  });

  it('takes the types that names are said to have, in archives, too', async () => {
    const bytes = zipOf([{ name: 'a.dat', content: '{"a": 1}' }]);
    const { segments } = await cut([document(bytes, 'x.zip')], { types: { dat: 'text/csv' } });
    expect(segments.map(({ mediaType }) => mediaType)).toEqual(['text/csv']);
  });
});
