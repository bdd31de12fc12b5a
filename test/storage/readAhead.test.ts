import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { OpenFile } from '../../src/sources/open-file.ts';
import { ReadAhead } from '../../src/storage/readAhead.ts';

const content = Uint8Array.from({ length: 100 }, (_, byte) => byte);

function counted(failures = 0): { file: OpenFile; reads: [number, number][] } {
  const reads: [number, number][] = [];
  let failing = failures;
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
    reads.push([start, end]);
    if (failing-- > 0) throw new Error('reset');
    return content.slice(start, end);
  };
  const file: OpenFile = {
    location: 'memory://file',
    uri: 'file',
    size: content.length,
    read,
    async *stream(start, end) {
      yield await read(start, end);
    },
    close: async () => {},
  };
  return { file, reads };
}

describe('ranges read ahead', () => {
  it('are fetched once and handed out once', async () => {
    const { file, reads } = counted();
    const ahead = new ReadAhead();
    await ahead.fetch(file, [{ start: 0, end: 10 }], new AbortController().signal);
    const open = ahead.over(file);
    expect(await open.read(0, 10)).toEqual(content.slice(0, 10));
    expect(reads).toEqual([[0, 10]]);
    expect(await open.read(0, 10)).toEqual(content.slice(0, 10));
    expect(reads).toHaveLength(2);
  });

  it('serve streams too, while other ranges come from the file', async () => {
    const { file, reads } = counted();
    const ahead = new ReadAhead();
    await ahead.fetch(file, [{ start: 20, end: 60 }], new AbortController().signal);
    const pieces: Uint8Array[] = [];
    for await (const piece of ahead.over(file).stream(20, 60)) pieces.push(piece);
    expect(Buffer.concat(pieces)).toEqual(Buffer.from(content.subarray(20, 60)));
    await ahead.over(file).read(0, 5);
    expect(reads).toEqual([
      [20, 60],
      [0, 5],
    ]);
  });

  it('are asked for again where they could not be had', async () => {
    const { file, reads } = counted(1);
    const ahead = new ReadAhead();
    await ahead.fetch(file, [{ start: 0, end: 4 }], new AbortController().signal);
    expect(await ahead.over(file).read(0, 4)).toEqual(content.slice(0, 4));
    expect(reads).toHaveLength(2);
  });

  it('are dropped when nobody will come for them', async () => {
    const { file, reads } = counted();
    const ahead = new ReadAhead();
    const abort = new AbortController();
    await ahead.fetch(file, [{ start: 0, end: 4 }], abort.signal);
    abort.abort();
    await ahead.over(file).read(0, 4);
    expect(reads).toHaveLength(2);
  });

  it('leave nothing behind at a signal that lives on', async () => {
    const { file } = counted();
    const ahead = new ReadAhead();
    const { signal } = new AbortController();
    for (let start = 0; start < 50; start++) {
      await ahead.fetch(file, [{ start, end: start + 1 }], signal);
      await ahead.over(file).read(start, start + 1);
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await expect(ahead.fetch(file, [{ start: 0, end: 1 }], AbortSignal.abort('over'))).rejects.toBe('over');
  });
});
