import { readdirSync, readFileSync } from 'node:fs';

/** Processes that this one has started and that still run, in the order of their start. */
export function childProcesses(): number[] {
  return readdirSync('/proc/self/task')
    .flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim().split(' '))
    .filter((id) => id !== '')
    .map(Number);
}
