/** How remote files are reached. None of it decides what is read, so none of it belongs to a run's digest. */
export interface RemoteOptions {
  /** Fetch each file whole into the cache, verified by its hash, before it is read. Default: false, ranges are streamed. */
  readonly cache?: boolean | undefined;
  /** Splits, and bytes of them, that are fetched before their turn. Default: 2 and 64 MiB; 0 splits for none. */
  readonly prefetch?: { readonly splits?: number | undefined; readonly bytes?: number | undefined } | undefined;
}
