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
  /** Those that are dropped with a signal. A run has one signal and any number of ranges. */
  readonly #bySignal = new WeakMap<AbortSignal, Set<string>>();

  /** Fetches ranges side by side. They are dropped when `signal` is aborted. */
  async fetch(file: OpenFile, ranges: readonly ByteRange[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const own = this.#of(signal);
    const fetching = ranges.map(({ start, end }) => {
      const key = keyOf(file, start, end);
      const bytes = this.#ranges.get(key) ?? file.read(start, end);
      this.#ranges.set(key, bytes);
      own.add(key);
      // Whoever comes for the range itself asks again, and hears of what is wrong.
      return bytes.then(
        () => {},
        () => this.#drop(key, bytes),
      );
    });
    await Promise.all(fetching);
    // What was handed out, or failed, needs no more to be dropped.
    for (const key of own) if (!this.#ranges.has(key)) own.delete(key);
  }

  #of(signal: AbortSignal): Set<string> {
    const known = this.#bySignal.get(signal);
    if (known !== undefined) return known;
    const keys = new Set<string>();
    this.#bySignal.set(signal, keys);
    const drop = (): void => {
      for (const key of keys) this.#ranges.delete(key);
      keys.clear();
    };
    signal.addEventListener('abort', drop, { once: true });
    return keys;
  }

  #drop(key: string, bytes: Promise<Uint8Array<ArrayBuffer>>): void {
    if (this.#ranges.get(key) === bytes) this.#ranges.delete(key);
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
      mtimeMs: file.mtimeMs,
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
