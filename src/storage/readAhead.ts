import type { OpenFile } from '../sources/open-file.ts';

/** Bytes `[start, end)` of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const keyOf = ({ location, size, etag = '' }: OpenFile, start: number, end: number): string =>
  `${location}\0${size}\0${etag}\0${start}\0${end}`;

/** Ranges of remote files that were asked for ahead of time; each is handed out once. How many there are is for the caller to bound. */
export class ReadAhead {
  readonly #ranges = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

  /** Fetches ranges side by side. They are dropped when `signal` is aborted. */
  async fetch(file: OpenFile, ranges: readonly ByteRange[], signal: AbortSignal): Promise<void> {
    const fetching = ranges.map(({ start, end }) => {
      const key = keyOf(file, start, end);
      const bytes = this.#ranges.get(key) ?? file.read(start, end);
      this.#ranges.set(key, bytes);
      const drop = (): void => {
        this.#ranges.delete(key);
      };
      signal.addEventListener('abort', drop, { once: true });
      // Whoever comes for the range itself asks again, and hears of what is wrong.
      return bytes.then(() => {}, drop);
    });
    await Promise.all(fetching);
  }

  /** The same file; ranges of it that were fetched ahead come from here. */
  over(file: OpenFile): OpenFile {
    const take = (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> | undefined => {
      const key = keyOf(file, start, end);
      const bytes = this.#ranges.get(key);
      this.#ranges.delete(key);
      return bytes;
    };
    return {
      location: file.location,
      uri: file.uri,
      size: file.size,
      etag: file.etag,
      local: file.local,
      read: (start, end) => take(start, end)?.catch(() => file.read(start, end)) ?? file.read(start, end),
      async *stream(start, end) {
        const bytes = await take(start, end)?.catch(() => undefined);
        if (bytes !== undefined) yield bytes;
        else yield* file.stream(start, end);
      },
      close: () => file.close(),
    };
  }
}
