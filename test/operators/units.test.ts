import fc from 'fast-check';
import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { bytesOf, units } from '../../src/operators/units.ts';
import type { Segment } from '../../src/records.ts';
import { flowOf, segmentOf } from './segments.ts';

/** The segments of a document, each with its place in its bytes. */
function segmentsOf(id: string, count: number): Segment[] {
  const { document } = segmentOf(new Uint8Array(count), id);
  return Array.from({ length: count }, (_, index) =>
    segmentOf(new Uint8Array([index]), id, { document, index, last: index === count - 1 }),
  );
}

const gathered = (segments: readonly Segment[]) => lastValueFrom(flowOf(segments).pipe(units(), toArray()));

describe('units', () => {
  it('are the segments of a document, in order', async () => {
    const [a, b] = await gathered([...segmentsOf('a', 3), ...segmentsOf('b', 1)]);
    expect(a).toMatchObject({ id: 'a', bytes: 3, source: { uri: 'a.txt' } });
    expect([...bytesOf(a ?? expect.fail())]).toEqual([0, 1, 2]);
    expect(b).toMatchObject({ id: 'b', bytes: 1 });
  });

  it('hold every segment once, and never those of two documents, whichever segments were taken out', async () => {
    const documents = fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(documents, async (lists) => {
        const left = lists.map((list, i) => segmentsOf(`d${i}`, list.length).filter((_, n) => list[n]));
        const found = await gathered(left.flat());
        expect(found.map(({ values }) => values)).toEqual(left.filter(({ length }) => length > 0));
        expect(found.map(({ id }) => id)).toEqual(left.flatMap(([first]) => first?.document.id ?? []));
      }),
    );
  });

  it('tell two documents of one name apart', async () => {
    const cut = segmentsOf('a', 3).slice(0, 2);
    const found = await gathered([...cut, ...cut, ...segmentsOf('a', 4)]);
    expect(found.map(({ bytes }) => bytes)).toEqual([2, 2, 4]);
  });
});
