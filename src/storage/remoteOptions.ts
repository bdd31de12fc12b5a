/** How remote files are reached. None of it decides what is read, so none of it belongs to a run's digest. */
export interface RemoteOptions {
  /** Fetch each file whole into the cache, verified by its hash, before it is read. Default: false, ranges are streamed. */
  readonly cache?: boolean | undefined;
}
