import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { milliseconds, processorSeconds } from './clocks.ts';
import { endFamily } from './family.ts';
import { CAUSES, RESULTS_FD } from './protocol.ts';

/** What the thread of a decoder process that does the work shares with the one that watches it. */
export interface Watched {
  /** f64: processor seconds of the process when the task began, the clock's milliseconds then; both 0 while there is none. */
  readonly began: Float64Array;
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly parent: number;
}

/** Milliseconds between two looks: in that time a process that allocates as fast as it can takes some tens of megabytes. */
const LOOK = 10;

const { began, seconds, memoryBytes, parent } = workerData as Watched;

function stop(cause: number): void {
  try {
    writeSync(RESULTS_FD, Uint8Array.of(cause), 0, 1, 0);
  } finally {
    endFamily(process.pid);
  }
}

setInterval(() => {
  // whoever started this process is gone: nobody waits for the result
  if (process.ppid !== parent) endFamily(process.pid);
  if (process.memoryUsage.rss() > memoryBytes) stop(CAUSES.memory);
  const [processor = 0, clock = 0] = began;
  if (clock === 0) return;
  if (processorSeconds() - processor > seconds || milliseconds() - clock > 6000 * seconds) stop(CAUSES.time);
}, LOOK);
parentPort?.postMessage('watching');
