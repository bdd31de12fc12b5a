import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { processorSeconds } from './processorTime.ts';
import { CAUSE_MARK, CAUSES, RESULTS_FD } from './protocol.ts';

/** What the thread of a decoder process that does the work shares with the one that watches it. */
export interface Watched {
  /** f64: processor seconds of the process when the task began, the clock's milliseconds then; both 0 while there is none. */
  readonly began: Float64Array;
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly parent: number;
}

/** Milliseconds between two looks: in that time a process that allocates as fast as it can takes some tens of megabytes. */
const LOOK = 25;

const { began, seconds, memoryBytes, parent } = workerData as Watched;

function stop(cause: number): never {
  writeSync(RESULTS_FD, Buffer.from(`${CAUSE_MARK}${String.fromCharCode(cause)}`, 'latin1'), 0, undefined, 0);
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable: the process has ended');
}

setInterval(() => {
  // whoever started this process is gone: nobody waits for the result
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  if (process.memoryUsage.rss() > memoryBytes) stop(CAUSES.memory);
  const [processor = 0, clock = 0] = began;
  if (clock === 0) return;
  if (processorSeconds() - processor > seconds || Date.now() - clock > 6000 * seconds) stop(CAUSES.time);
}, LOOK);
