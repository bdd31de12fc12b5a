import { EMPTY } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { SplitsAhead } from '../../src/run/readAhead.ts';
import type { Source, Split } from '../../src/sources/source.ts';

const splitsOf = (...bytes: number[]): Split[] =>
  bytes.map((size, place) => ({ id: String(place).padStart(5, '0'), bytes: size, spec: null }));

function recording(splits: number, bytes: number): { source: Source<never>; fetched: string[] } {
  const fetched: string[] = [];
  const fetch = async ({ id }: Split): Promise<void> => {
    fetched.push(id);
    if (id === '00002') throw new Error('the network is down');
  };
  const source = {
    kind: 'test',
    options: null,
    ahead: { splits, bytes, holds: bytes, fetch },
    async *splits() {},
    read: () => EMPTY,
  };
  return { source, fetched };
}

describe('splits that are fetched before their turn', () => {
  const { signal } = new AbortController();

  it('are those behind the split whose turn it is, as many as may wait', () => {
    const { source, fetched } = recording(2, 100);
    const ahead = new SplitsAhead(source, splitsOf(1, 1, 1, 1, 1, 1), signal);
    ahead.reached(0);
    expect(fetched).toEqual(['00001', '00002']);
    ahead.reached(1);
    expect(fetched).toEqual(['00001', '00002', '00003']);
    ahead.reached(2);
    ahead.reached(3);
    ahead.reached(4);
    ahead.reached(5);
    expect(fetched).toEqual(['00001', '00002', '00003', '00004', '00005']);
  });

  it('have no more bytes than may wait', () => {
    const { source, fetched } = recording(9, 100);
    const ahead = new SplitsAhead(source, splitsOf(10, 60, 40, 1, 500, 1), signal);
    ahead.reached(0);
    expect(fetched).toEqual(['00001', '00002']);
    ahead.reached(1);
    expect(fetched).toEqual(['00001', '00002', '00003']);
    ahead.reached(2);
    ahead.reached(3);
    expect(fetched).toEqual(['00001', '00002', '00003']);
    // The split that is larger than all that may wait is read when its turn comes; those behind it wait no longer.
    ahead.reached(4);
    expect(fetched).toEqual(['00001', '00002', '00003', '00005']);
  });

  it('are skipped where several turns come at once', () => {
    const { source, fetched } = recording(1, 100);
    const ahead = new SplitsAhead(source, splitsOf(1, 1, 1, 1), signal);
    ahead.reached(0);
    ahead.reached(2);
    expect(fetched).toEqual(['00001', '00003']);
  });

  it('are none of a source on this machine', () => {
    const { source } = recording(1, 100);
    const ahead = new SplitsAhead({ ...source, ahead: undefined }, splitsOf(1, 1), signal);
    expect(() => ahead.reached(0)).not.toThrow();
  });
});
