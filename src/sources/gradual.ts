import type { OpenFile } from './open-file.ts';

const FIRST = 64 << 10;
const MOST = 4 << 20;

/**
 * The same file, for whoever looks at its beginning and stops early: of a remote one, streams ask for ranges of 64 KiB and
 * then twice as much each time, since what a server has sent by the time it is told to stop is megabytes.
 */
export function gradual(file: OpenFile): OpenFile {
  if (file.local !== undefined) return file;
  return {
    location: file.location,
    uri: file.uri,
    size: file.size,
    etag: file.etag,
    read: (start, end) => file.read(start, end),
    async *stream(start, end) {
      for (let [at, length] = [start, FIRST]; at < end; [at, length] = [at + length, Math.min(2 * length, MOST)]) {
        yield* file.stream(at, Math.min(end, at + length));
      }
    },
    close: () => file.close(),
  };
}
