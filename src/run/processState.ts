import { readFileSync } from 'node:fs';

/** What the system tells of a process. */
export interface ProcessState {
  /** When it began, in clock ticks since boot. */
  readonly started: string;
  /** Whether it has ended and only waits for its parent to take note, which may never happen. */
  readonly over: boolean;
}

/** Reads `/proc/<pid>/stat`; `undefined` where the system has no such file, or no such process. */
export function processState(pid: number): ProcessState | undefined {
  try {
    return stateFrom(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Takes a line of procfs (proc_pid_stat(5)) apart: the name in brackets may hold spaces, brackets and line ends. */
export function stateFrom(stat: string): ProcessState {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // a first thread may have ended before others that still write: these count until they are gone
  const over = /^[ZXx]$/.test(fields[0] ?? '') && Number(fields[17]) <= 1;
  return { started: fields[19] ?? '', over };
}
