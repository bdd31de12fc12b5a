import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PipelineError } from '../../src/errors.ts';
import type { StageInfo } from '../../src/flow/index.ts';
import { BASE_BYTES, divideMemory, parseBytes, WORKER_BYTES } from '../../src/run/memory.ts';

const MIB = 2 ** 20;
const stage = (name: string, bytes: number, more: Partial<StageInfo> = {}): StageInfo => ({
  name,
  kind: 'operator',
  room: { items: 8, bytes },
  ...more,
});

describe('divideMemory', () => {
  it('gives every stage what it asks for when nobody limits it', () => {
    const plan = divideMemory({
      stages: [stage('a', 64 * MIB), stage('b', 16 * MIB)],
      source: 3 * MIB,
      sinks: 2 * MIB,
      workers: 2,
      splits: 2,
    });
    expect(plan.rooms.map((room) => room.room.bytes)).toEqual([64 * MIB, 16 * MIB]);
    expect(plan.bound).toBe(BASE_BYTES + 2 * WORKER_BYTES + 2 * (80 + 5) * MIB);
  });

  it('shrinks rooms by weight, keeps their least, and never touches rooms of weight 0', () => {
    const stages = [
      stage('a', 100 * MIB, { least: MIB }),
      stage('b', 100 * MIB, { weight: 3, least: MIB }),
      stage('c', 10 * MIB, { weight: 0 }),
    ];
    const budget = BASE_BYTES + WORKER_BYTES + 52 * MIB;
    const plan = divideMemory({ stages, source: 0, sinks: 0, workers: 1, splits: 1, budget });
    expect(plan.rooms.map((room) => Math.round((room.room.bytes ?? 0) / MIB))).toEqual([11, 31, 10]);
    expect(plan.bound).toBeLessThanOrEqual(budget);
  });

  it('takes fewer splits in flight before it refuses', () => {
    const stages = [stage('a', 100 * MIB, { least: 60 * MIB })];
    const budget = BASE_BYTES + 4 * WORKER_BYTES + 130 * MIB;
    expect(divideMemory({ stages, source: 0, sinks: 0, workers: 4, splits: 4, budget }).splitsInFlight).toBe(2);
  });

  it('counts processes once for all splits, and starts fewer of them before it takes fewer splits in flight', () => {
    const stages = [stage('a', 10 * MIB, { processes: { most: 4, bytes: 100 * MIB } })];
    const fixed = BASE_BYTES + 2 * WORKER_BYTES;
    const ask = (budget?: number) => divideMemory({ stages, source: 0, sinks: 0, workers: 2, splits: 2, budget });
    expect(ask()).toMatchObject({ processes: 4, bound: fixed + (20 + 400) * MIB });
    expect(ask(fixed + 230 * MIB)).toMatchObject({ processes: 2, splitsInFlight: 2, bound: fixed + 220 * MIB });
    expect(() => ask(fixed + 50 * MIB)).toThrow(/too little/);
    expect(
      divideMemory({ stages: [stage('a', 1)], source: 0, sinks: 0, workers: 1, splits: 1 }).processes,
    ).toBeUndefined();
  });

  it('refuses a budget that cannot work, and names the least that does', () => {
    const stages = [stage('a', 100 * MIB, { least: 60 * MIB })];
    const ask = (budget: number) => divideMemory({ stages, source: 0, sinks: MIB, workers: 1, splits: 4, budget });
    let least = 0;
    try {
      ask(MIB);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(PipelineError);
      least = parseBytes(/--memory (\d+MB)/.exec((error as PipelineError).hint ?? '')?.[1] ?? '');
    }
    expect(ask(least).bound).toBeLessThanOrEqual(least);
  });

  it('never exceeds a budget it accepts, and never gives more than asked', () => {
    const stages = fc.array(
      fc.record({
        asked: fc.integer({ min: 1, max: 500 }),
        least: fc.integer({ min: 0, max: 20 }),
        weight: fc.integer({ min: 0, max: 5 }),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(stages, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 9000 }), (list, splits, extra) => {
        const infos = list.map((one, i) =>
          stage(`s${i}`, one.asked * MIB, { least: one.least * MIB, weight: one.weight }),
        );
        const budget = BASE_BYTES + WORKER_BYTES + extra * MIB;
        try {
          const plan = divideMemory({ stages: infos, source: 0, sinks: 0, workers: 1, splits, budget });
          expect(plan.bound).toBeLessThanOrEqual(budget);
          plan.rooms.forEach(({ room }, i) => {
            expect(room.bytes).toBeLessThanOrEqual((list[i]?.asked ?? 0) * MIB);
          });
        } catch (error) {
          expect(error).toBeInstanceOf(PipelineError);
        }
      }),
    );
  });
});

describe('parseBytes', () => {
  it.each([
    ['4GB', 4e9],
    ['512mb', 512e6],
    ['512MiB', 512 * MIB],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['64K', 64_000],
    ['1000', 1000],
  ])('reads %s', (text, value) => expect(parseBytes(text)).toBe(value));

  it.each(['', 'much', '-1GB', '4GBs'])('refuses %j', (text) => expect(() => parseBytes(text)).toThrow(PipelineError));
});
