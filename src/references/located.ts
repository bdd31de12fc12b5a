/** A file that was found, and has not been read yet. */
export interface Located {
  /** Where it lies, as documents say it: a relative path, `archive!/member` or a URL; never a path of this machine. */
  readonly uri: string;
  readonly size: number;
  /** Names its bytes among all that were found; absent where the row itself holds them. */
  readonly key?: string | undefined;
  /** @throws Failure where it turns out to be damaged; SourceError where it is not what was found any more */
  read(signal: AbortSignal): Promise<Uint8Array>;
  /** Finds out whether `read` will find it damaged; absent where it never does. */
  check?(signal: AbortSignal): Promise<void>;
}

/** Looks for files by their paths. */
export interface Shelf {
  /**
   * The file at the first of some paths that has one; undefined where none has.
   *
   * @throws Failure where it must not be taken; SourceError where nobody can tell
   */
  find(paths: readonly string[], signal: AbortSignal): Promise<Located | undefined>;
  /** Throws SourceError where what it did not find may be there all the same. Absent where that is never so. */
  vouch?(signal: AbortSignal): Promise<void>;
}
