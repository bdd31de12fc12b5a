import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';
import { DecoderPool } from '../../src/decoders/decoderPool.ts';
import { type DecoderLimits, settledLimits } from '../../src/decoders/limits.ts';
import type { Deed } from '../fixtures/decoders/misbehavingWorker.ts';
import { childProcesses } from './children.ts';

/** Path of a decoder module of the fixtures. */
export const decoderModule = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/decoders/${name}Worker.ts`, import.meta.url));

const MISBEHAVING = decoderModule('misbehaving');

/** Makes pools of one process with small limits for the tests of a file, and ends them behind each. */
export function poolsOfTests(): (limits?: DecoderLimits) => DecoderPool {
  const pools: DecoderPool[] = [];
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((each) => each.close()));
    expect(childProcesses()).toEqual([]);
  });
  return (limits = {}) => {
    const made = new DecoderPool(settledLimits({ processes: 1, seconds: 20, memoryBytes: 192 << 20, ...limits }));
    pools.push(made);
    return made;
  };
}

/** What becomes of a record that does this to its decoder, from record `from` of a process on. */
export const act = (into: DecoderPool, deed: Deed, from?: number, signal?: AbortSignal): Promise<unknown> =>
  into.run(
    { module: MISBEHAVING, bytes: new Uint8Array(10), facts: { deed, from } },
    (decoded) => decoded.read(),
    signal,
  );

/** The process of a pool that has one. */
export const pidOf = async (into: DecoderPool): Promise<number> =>
  ((await act(into, 'nothing')) as { readonly pid: number }).pid;

/** Waits until something is so. */
export async function until(holds: () => boolean, milliseconds = 10_000): Promise<void> {
  for (const end = Date.now() + milliseconds; !holds(); await wait(10)) {
    if (Date.now() > end) throw new Error('it is still not so');
  }
}

export function isAlive(pid: number): boolean {
  try {
    // what has ended and was not waited for yet is not alive
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The most bytes that processes started by this one have had resident, while `work` is being done. */
export async function mostResident(work: Promise<unknown>): Promise<number> {
  let most = 0;
  let done = false;
  const ended = work.then(
    () => {
      done = true;
    },
    () => {
      done = true;
    },
  );
  while (!done) {
    for (const pid of childProcesses()) {
      try {
        const [, kib = '0'] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
        most = Math.max(most, 1024 * Number(kib));
      } catch {
        // it has just ended
      }
    }
    await Promise.race([ended, wait(3)]);
  }
  return most;
}
