import type { OpenFile } from '../../sources/open-file.ts';
import type { FoundFile } from '../../sources/walk.ts';
import type { HttpClient } from './client.ts';
import type { RemoteFacts, RemoteIdentity } from './facts.ts';
import { checkRange } from './rangeBody.ts';

/** Bytes handed on at a time where a file is streamed. */
const CHUNK = 256 << 10;

/** A remote file as a plan keeps it. Where it has no strong validator, the time of its last change stands in. */
export function foundFile({ url, size, etag, lastModified }: RemoteFacts): FoundFile {
  const mtimeMs = etag === undefined && lastModified !== undefined ? Date.parse(lastModified) : Number.NaN;
  return { location: url, uri: url, size, etag, mtimeMs: Number.isNaN(mtimeMs) ? undefined : mtimeMs };
}

/**
 * Opens a file at an http(s) URL. Nothing is asked yet: every answer that bytes come from is compared with what the plan
 * knows of the file.
 *
 * @param signal Ends every read.
 */
export function openHttp(client: HttpClient, file: FoundFile, signal?: AbortSignal): OpenFile {
  return new HttpFile(client, file, signal);
}

class HttpFile implements OpenFile {
  readonly location: string;
  readonly uri: string;
  readonly size: number;
  readonly mtimeMs: number | undefined;
  readonly etag: string | undefined;
  readonly #client: HttpClient;
  readonly #identity: RemoteIdentity;
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;

  constructor(client: HttpClient, file: FoundFile, signal: AbortSignal | undefined) {
    this.location = file.location;
    this.uri = file.uri;
    this.size = file.size;
    this.mtimeMs = file.mtimeMs;
    this.etag = file.etag;
    this.#client = client;
    const lastModified = file.mtimeMs === undefined ? undefined : new Date(file.mtimeMs).toUTCString();
    this.#identity = { url: file.location, size: file.size, etag: file.etag, lastModified };
    this.#signal = signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]);
  }

  async read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.#identity, start, end);
    const bytes = Buffer.allocUnsafeSlow(end - start);
    let filled = 0;
    for await (const chunk of this.#range(start, end)) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    return bytes;
  }

  async *stream(start: number, end: number): AsyncGenerator<Uint8Array> {
    checkRange(this.#identity, start, end);
    let left = end - start;
    let bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK, left));
    let filled = 0;
    for await (const chunk of this.#range(start, end)) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + bytes.length - filled);
        bytes.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < bytes.length) continue;
        left -= filled;
        yield bytes;
        bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK, left));
        filled = 0;
      }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }

  #range(start: number, end: number): AsyncIterable<Uint8Array> {
    return this.#client.range(this.#identity, start, end, { signal: this.#signal });
  }
}
