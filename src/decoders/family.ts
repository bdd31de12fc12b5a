/** Whether processes can be ended together with what they have started. */
export const IN_GROUPS = process.platform !== 'win32';

/** Ends a process that leads its group, whatever it is doing, and the programs that it has started. */
export function endFamily(pid: number): void {
  try {
    process.kill(IN_GROUPS ? -pid : pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}
