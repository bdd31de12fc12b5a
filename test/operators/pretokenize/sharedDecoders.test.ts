import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { iterate, pull } from '../../../src/flow/index.ts';
import { pretokenize } from '../../../src/operators/pretokenize.ts';
import type { Segment } from '../../../src/records.ts';
import { documentOf } from '../../support/cuts.ts';

const options = { limits: { processes: 2 }, text: { markup: 'text' } } as const;

/** Pages of which every one says its number; some of them are large. */
const pages = (flow: string, count: number) =>
  Array.from({ length: count }, (_, n) =>
    documentOf(Buffer.from(`<p>${n}</p>`.repeat(n % 10 === 0 ? 30_000 : 1)), `${flow}${n}.html`),
  );

async function* cut(flow: string, count: number): AsyncGenerator<Segment> {
  yield* iterate(pull(() => [pages(flow, count)]).pipe(pretokenize(options)));
}

describe('flows that share decoder processes', () => {
  it('go on side by side, each in its order, however slowly one of them is taken from', async () => {
    const [slow, quick] = [cut('a', 40), cut('b', 120)];
    const seen: string[][] = [[], []];
    for (let n = 0; n < 40; n++) {
      const own = await slow.next();
      if (own.done !== true) seen[0]?.push(own.value.document.id);
      await wait(5);
      for (let m = 0; m < 3; m++) {
        const other = await quick.next();
        if (other.done !== true) seen[1]?.push(other.value.document.id);
      }
    }
    expect(seen).toEqual([
      Array.from({ length: 40 }, (_, n) => `a${n}.html`),
      Array.from({ length: 120 }, (_, n) => `b${n}.html`),
    ]);
    expect((await slow.next()).done).toBe(true);
    expect((await quick.next()).done).toBe(true);
  });

  it('that are given up, each in the middle, leave the processes to others', async () => {
    for (let n = 0; n < 4; n++) {
      const flow = cut('a', 30);
      await flow.next();
      await flow.return(undefined);
    }
    const all: string[] = [];
    for await (const { document } of cut('b', 20)) all.push(document.id);
    expect(all).toHaveLength(20);
  });
});
