import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { childProcesses } from './children.ts';

/** Path of a decoder module of the fixtures. */
export const decoderModule = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/decoders/${name}Worker.ts`, import.meta.url));

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
