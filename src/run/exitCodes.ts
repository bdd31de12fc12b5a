/** How a run ended, as the process tells its caller. */
export const exitCode = {
  /** Everything was processed and written. */
  ok: 0,
  /** The run could not start or go on: a bad definition, an unreadable source, an output of another plan. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** Everything that could be processed was written; `rejects/` lists the rest. */
  rejects: 3,
  /** More records failed than `maxRejectRate` allows (or one did, under `onError: 'fail'`). */
  rejectLimit: 4,
  /** `sluice verify` found something wrong. */
  notVerified: 5,
  /** The flow stopped without an end, or a bug showed. */
  stalled: 70,
  /** The disk refused: full, read-only, broken. Free it and run again to resume. */
  disk: 74,
  /** SIGINT or SIGTERM: what was committed stays, run again to resume. */
  interrupted: 130,
} as const;
