import type { OptionNames } from '../knownOptions.ts';
import type { HttpSettings } from './http/settings.ts';
import type { HubOptions } from './hub/settings.ts';
import type { S3Options } from './s3/options.ts';

/** How remote files are reached. None of it decides what is read, so none of it belongs to a run's digest. */
export interface RemoteOptions {
  /**
   * Fetch each file whole before it is read: files of the Hub into its cache, verified by their hashes, others into `files` in
   * sluice's own. Default: false, ranges are streamed.
   */
  readonly cache?: boolean | undefined;
  /** Splits, and bytes of them, that are fetched before their turn. Default: 2 and 64 MiB; 0 splits for none. */
  readonly prefetch?: { readonly splits?: number | undefined; readonly bytes?: number | undefined } | undefined;
  /** Attempts, patience, hosts that may be talked to. */
  readonly http?: Omit<HttpSettings, 'signal'> | undefined;
  /** Where the Hub is and who asks it. */
  readonly hub?: HubOptions | undefined;
  /** Where an S3-compatible store is. */
  readonly s3?: S3Options | undefined;
}

/** Their names. */
export const REMOTE_OPTIONS = {
  cache: true,
  prefetch: { splits: true, bytes: true },
  http: {
    retries: true,
    stallMs: true,
    backoff: { firstMs: true, mostMs: true },
    mostWaitMs: true,
    openRequests: true,
    hosts: true,
    endpoints: true,
    allowPrivate: true,
    headers: true,
    onTransfer: true,
  },
  hub: { endpoint: true, token: true, cacheFolder: true, offline: true },
  s3: { endpoint: true, region: true, pathStyle: true },
} as const satisfies OptionNames<RemoteOptions>;
