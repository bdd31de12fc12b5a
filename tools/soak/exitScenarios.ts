/** How a process ends: its exit code, or the signal that ended it. */
export type Ending = number | NodeJS.Signals;

/** A way in which a process that uses a GPU comes to its end. */
export interface ExitScenario {
  readonly name: string;
  /** What a process that used no GPU would end with. */
  readonly ending: Ending;
  /** Sent when the process is at work. */
  readonly signal?: NodeJS.Signals;
}

/** What `exitProgram.ts` knows. */
export const EXIT_SCENARIOS: readonly ExitScenario[] = [
  { name: 'finishes', ending: 0 },
  { name: 'closes and finishes', ending: 0 },
  { name: 'closes amid work', ending: 0 },
  { name: 'uses a closed device', ending: 0 },
  { name: 'exits amid work', ending: 3 },
  { name: 'exits amid an upload', ending: 3 },
  { name: 'exits while it compiles', ending: 3 },
  { name: 'throws amid work', ending: 1 },
  { name: 'rejects amid work', ending: 1 },
  { name: 'interrupted', ending: 'SIGINT', signal: 'SIGINT' },
  { name: 'interrupted, with a handler', ending: 130, signal: 'SIGINT' },
  { name: 'terminated', ending: 'SIGTERM', signal: 'SIGTERM' },
  { name: 'device destroyed amid work', ending: 0 },
  { name: 'device lost, unhandled', ending: 1 },
  { name: 'work refused that nobody waits for', ending: 1 },
  { name: 'buffer mapped at the end', ending: 0 },
  { name: 'exits with a buffer mapped', ending: 3 },
  { name: 'exits while a buffer is being mapped', ending: 3 },
  { name: 'several at once, and garbage collected', ending: 0 },
];
