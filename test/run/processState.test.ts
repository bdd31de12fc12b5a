import { describe, expect, it } from 'vitest';
import { processState, stateFrom } from '../../src/run/processState.ts';

/** A line of procfs: number, name, state, fields 4 to 19, threads, field 21, start, the rest. */
const stat = (state: string, threads: number, name = 'node'): string =>
  `4711 (${name}) ${state} 1 4711 4711 0 -1 4194304 ${'7 '.repeat(10)}${threads} 0 123456 ${'0 '.repeat(29)}0\n`;

describe('the state of a process', () => {
  it('tells when it began, whatever it is called', () => {
    for (const name of ['node', 'a b', ') Z 1 (', 'x\ny']) {
      expect(stateFrom(stat('S', 12, name))).toEqual({ started: '123456', over: false });
    }
  });

  it.each([
    ['Z', 1, true],
    ['X', 0, true],
    ['Z', 4, false],
    ['R', 1, false],
    ['D', 11, false],
    ['T', 1, false],
  ])('%s with %d threads: over is %s', (state, threads, over) => {
    expect(stateFrom(stat(state, threads)).over).toBe(over);
  });

  it('is that of this process, which goes on, or nothing where the system does not tell', () => {
    expect(processState(process.pid)?.over ?? false).toBe(false);
    expect(processState(process.pid)).toEqual(processState(process.pid));
    expect(processState(2 ** 22 + 1)).toBeUndefined();
  });
});
