import type { OpenFile } from '../../sources/open-file.ts';
import type { FoundFile } from '../../sources/walk.ts';
import { rangeFile } from '../rangeFile.ts';
import type { HttpClient } from './client.ts';
import type { RemoteFacts, RemoteIdentity } from './facts.ts';
import { checkRange } from './rangeBody.ts';

/** A remote file as a plan keeps it. Where it has no strong validator, the time of its last change stands in. */
export function foundFile({ url, size, etag, lastModified }: RemoteFacts): FoundFile {
  const mtimeMs = etag === undefined && lastModified !== undefined ? Date.parse(lastModified) : Number.NaN;
  return { location: url, uri: url, size, etag, mtimeMs: Number.isNaN(mtimeMs) ? undefined : mtimeMs };
}

/**
 * Opens a file at an http(s) URL. Nothing is asked yet: every answer that bytes come from is compared with what the plan
 * knows of the file.
 *
 * @param signal Ends every read, as closing the file does.
 */
export function openHttp(client: HttpClient, file: FoundFile, signal?: AbortSignal): OpenFile {
  const { location: url, size, etag, mtimeMs } = file;
  const lastModified = mtimeMs === undefined ? undefined : new Date(mtimeMs).toUTCString();
  const identity: RemoteIdentity = { url, size, etag, lastModified };
  const closed = new AbortController();
  const ends = signal === undefined ? closed.signal : AbortSignal.any([signal, closed.signal]);
  const open = rangeFile(
    file,
    (start, end) => client.range(identity, start, end, { signal: ends }),
    async () => closed.abort(),
  );
  return {
    ...open,
    // Before memory is taken for it.
    async read(start, end) {
      checkRange(identity, start, end);
      return open.read(start, end);
    },
    async *stream(start, end) {
      checkRange(identity, start, end);
      yield* open.stream(start, end);
    },
  };
}
