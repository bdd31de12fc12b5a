import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { stdin } from '../../src/sources/index.ts';
import { plan, readAll, readSplit, text } from './helpers.ts';

const input = (...chunks: string[]): Readable => Readable.from(chunks.map((chunk) => Buffer.from(chunk)));

describe('standard input', () => {
  it('is one document', async () => {
    const { records, splits } = await readAll(stdin({ input: input('one\n', 'two') }));
    expect(splits).toHaveLength(1);
    expect(records.map((record) => [record.id, text(record), record.source.position])).toEqual([
      ['stdin', 'one\ntwo', { ordinal: 0, byte: 0 }],
    ]);
  });

  it('is cut into parts where it is large', async () => {
    const body = Array.from({ length: 100 }, (_, n) => `line ${n}\n`);
    const { records } = await readAll(stdin({ input: input(...body), maxDocumentBytes: 100 }));
    expect(records.map(text).join('')).toBe(body.join(''));
    expect(records.length).toBeGreaterThan(5);
    let byte = 0;
    for (const [part, record] of records.entries()) {
      expect(record.source.position).toEqual({ ordinal: part, byte, part });
      byte += record.bytes.length;
    }
  });

  it('may be a document a line', async () => {
    const { records, rejects } = await readAll(
      stdin({ by: 'line', input: input('one\r\n\ntw', `o\n${'x'.repeat(99)}\nthree`), maxDocumentBytes: 64 }),
    );
    expect(records.map((record) => [record.id, text(record), record.source.position])).toEqual([
      ['stdin#0', 'one', { ordinal: 0, byte: 0, line: 1 }],
      ['stdin#6', 'two', { ordinal: 1, byte: 6, line: 3 }],
      ['stdin#110', 'three', { ordinal: 3, byte: 110, line: 5 }],
    ]);
    expect(rejects.map(({ error: { code, position } }) => [code, position])).toEqual([
      ['TOO_LONG', { ordinal: 2, byte: 10, line: 4 }],
    ]);
  });

  it('passes once', async () => {
    const source = stdin({ input: input('x') });
    const [split] = await plan(source, 1);
    await readSplit(source, split!);
    await expect(readSplit(source, split!)).rejects.toMatchObject({ name: 'SourceError', code: 'STDIN_CONSUMED' });
  });
});
