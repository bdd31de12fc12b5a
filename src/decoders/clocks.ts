/** Processor time that this process has taken, in seconds: that of all its threads. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** A clock that nobody sets, in milliseconds: the same for all threads. */
export function milliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
