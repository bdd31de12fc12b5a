import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './faults.ts';
import type { HubFile } from './files.ts';

/** A request that was answered, or not. */
export interface LogEntry {
  readonly origin: 'hub' | 'cdn';
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly range: string | undefined;
  /** Whether an Authorization header came with it. */
  readonly authorised: boolean;
  readonly fault: Fault['kind'] | undefined;
  /** 0 where no answer was sent. */
  status: number;
  /** Bytes of the answer's body that were handed to the connection. */
  bytes: number;
}

/** An answer that is no file. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, code?: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = { ...headers, 'x-error-message': message, ...(code === undefined ? {} : { 'x-error-code': code }) };
  }
}

/** One request and its answer. */
export class Exchange {
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly entry: LogEntry;
  readonly fault: Fault | undefined;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse, entry: LogEntry, fault: Fault | undefined) {
    this.url = new URL(entry.url, 'http://hub');
    this.request = request;
    this.entry = entry;
    this.fault = fault;
    this.#response = response;
  }

  /** Parts of the path, decoded. A revision may hold slashes, coded or not. */
  get segments(): string[] {
    const parts = this.url.pathname.slice(1).split('/').map(decodeURIComponent);
    const verb = parts.findIndex((part) => /^(tree|resolve|revision|paths-info|preupload|commit)$/.test(part)) + 1;
    if (verb > 0 && parts[verb] === 'refs') parts.splice(verb, 3, parts.slice(verb, verb + 3).join('/'));
    return parts;
  }

  get token(): string | undefined {
    return /^Bearer (.+)$/.exec(this.request.headers.authorization ?? '')?.[1];
  }

  body(): Promise<Buffer> {
    return buffer(this.request);
  }

  async bodyJson(): Promise<unknown> {
    return JSON.parse((await this.body()).toString());
  }

  async json(value: unknown, headers: Readonly<Record<string, string>> = {}, status = 200): Promise<void> {
    const body = Buffer.from(JSON.stringify(value));
    this.#head(status, { 'content-type': 'application/json; charset=utf-8', ...headers }, body.length);
    await this.#send([body], 0);
  }

  empty(status: number, headers: Readonly<Record<string, string>> = {}): void {
    this.#head(status, headers, 0);
    this.#response.end();
  }

  async refuse({ status, message, headers }: Refusal): Promise<void> {
    if (this.#response.headersSent) this.#response.destroy();
    else await this.json({ error: message }, headers, status);
  }

  /** Carries out faults that are no matter of a file's body; false where the request is to be served. */
  async failed(): Promise<boolean> {
    const { fault } = this;
    if (fault?.kind === 'reset') this.request.socket.destroy();
    else if (fault?.kind === 'redirect') this.empty(302, { location: fault.location });
    else if (fault?.kind === 'status') {
      const { retryAfter } = fault;
      const headers =
        retryAfter === undefined
          ? undefined
          : { 'retry-after': String(retryAfter), ratelimit: `"resolvers";r=0;t=${retryAfter}` };
      await this.refuse(new Refusal(fault.status, fault.message ?? `injected ${fault.status}`, undefined, headers));
    } else return false;
    return true;
  }

  /** Sends a file, or the range that was asked for, with whatever goes wrong. */
  async file(file: HubFile, etag: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const { fault } = this;
    const tag = `"${fault?.kind === 'etag' ? fault.value : etag}"`;
    const range = fault?.kind === 'norange' ? undefined : this.#range(file.size, `"${etag}"`);
    if (range === null) return this.empty(416, { 'content-range': `bytes */${file.size}` });
    const [start, end] = range ?? [0, file.size];
    const sent = Math.max(start, fault?.kind === 'short' ? end - fault.by : end);
    this.#head(
      range === undefined ? 200 : 206,
      {
        'accept-ranges': 'bytes',
        'content-type': 'application/octet-stream',
        etag: tag,
        ...headers,
        ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${file.size}` }),
      },
      fault?.kind === 'lenlie' ? undefined : sent - start,
    );
    if (this.request.method === 'HEAD') this.#response.end();
    else await this.#send(file.read(start, sent), start);
  }

  /** The range that was asked for; null where the file has no such bytes. */
  #range(size: number, etag: string): [number, number] | null | undefined {
    const { range, 'if-range': condition } = this.request.headers;
    const asked = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
    if (asked === null || (condition !== undefined && condition !== etag)) return undefined;
    const [, first = '', last = ''] = asked;
    if (first === '') return [Math.max(0, size - Number(last)), size];
    const start = Number(first);
    const end = last === '' ? size : Math.min(size, Number(last) + 1);
    return start < end ? [start, end] : null;
  }

  async #send(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, start: number): Promise<void> {
    const { fault } = this;
    const cutAt = fault?.kind === 'cut' || fault?.kind === 'lenlie' ? start + fault.after : Number.POSITIVE_INFINITY;
    let at = start;
    for await (const chunk of body) {
      const next = at + chunk.length;
      let bytes = chunk;
      if (fault?.kind === 'corrupt' && at <= fault.at && fault.at < next) {
        bytes = Uint8Array.from(chunk);
        bytes[fault.at - at] = (bytes[fault.at - at] ?? 0) ^ 0xff;
      }
      if (fault?.kind === 'stall' && at <= start + fault.after && start + fault.after < next) {
        await this.#write(bytes.subarray(0, start + fault.after - at));
        bytes = bytes.subarray(start + fault.after - at);
        await sleep(fault.ms, undefined, { ref: false });
      }
      if (fault?.kind === 'slow') await sleep((bytes.length / fault.bytesPerSecond) * 1000, undefined, { ref: false });
      await this.#write(next > cutAt ? bytes.subarray(0, cutAt - at) : bytes);
      if (this.#response.destroyed) return;
      at = next;
      if (at >= cutAt) {
        // What was written is on its way before the connection is closed.
        await sleep(20);
        break;
      }
    }
    if (fault?.kind === 'cut') this.#response.destroy();
    else this.#response.end();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0 || this.#response.destroyed) return;
    this.entry.bytes += bytes.length;
    if (this.#response.write(bytes)) return;
    const gone = new AbortController();
    await Promise.race([
      once(this.#response, 'drain', { signal: gone.signal }),
      once(this.#response, 'close', { signal: gone.signal }),
    ]).finally(() => gone.abort());
  }

  #head(status: number, headers: Readonly<Record<string, string>>, length: number | undefined): void {
    this.entry.status = status;
    this.#response.writeHead(status, { ...headers, ...(length === undefined ? {} : { 'content-length': length }) });
  }
}
