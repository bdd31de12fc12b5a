import { from, map, Observable } from 'rxjs';
import { type Document, RecordError } from 'sluice';
import { iterate } from 'sluice/flow';
import { embed, patch, pretokenize } from 'sluice/operators';
import { describe, expect, it } from 'vitest';

const document = (text: string): Document => ({
  id: text.slice(0, 8),
  source: { split: '', uri: 'memory', position: { ordinal: 0 } },
  bytes: new TextEncoder().encode(text),
  meta: {},
});
const texts = ['Call me Ishmael.', 'Some years ago, never mind how long precisely.', 'It was the best of times.'];

describe("the operators in a program of somebody else's, with no runner", () => {
  it('take an Observable from outside and give patches that hold its bytes', async () => {
    const outside = new Observable<string>((out) => {
      for (const text of texts) out.next(text);
      out.complete();
    });
    const seen: string[] = [];
    for await (const patches of iterate(outside.pipe(map(document), pretokenize(), embed(), patch()))) {
      expect(patches.lengths.reduce((sum, length) => sum + length, 0)).toBe(patches.bytes.length);
      expect(patches.embeddings).toHaveLength(patches.lengths.length * patches.dim);
      seen.push(Buffer.from(patches.bytes).toString());
    }
    expect(seen).toEqual(texts);
  });

  it('give the same patches alone and in company', async () => {
    const lengthsOf = async (some: readonly string[]): Promise<Record<string, number[]>> => {
      const lengths: Record<string, number[]> = {};
      for await (const one of iterate(from(some).pipe(map(document), pretokenize(), embed(), patch()))) {
        lengths[one.segment.document.id] = [...one.lengths];
      }
      return lengths;
    };
    const together = await lengthsOf(texts);
    for (const text of texts) expect(together).toMatchObject(await lengthsOf([text]));
  });

  it('fail the flow with a RecordError where a run would have written a reject', async () => {
    const flow = from(['']).pipe(map(document), pretokenize());
    await expect(iterate(flow).next()).rejects.toThrow(RecordError);
  });
});
