import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What goes wrong with one answer. Counts are bytes of its body. */
export type Misbehaviour =
  /** Answers with a status; `retryAfter` in seconds or as any text, `rateLimit` in seconds, as the Hub sends it. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly retryAfter?: number | string;
      readonly rateLimit?: number;
    }
  /** Closes the connection without an answer. */
  | { readonly kind: 'reset' }
  /** Takes the request and never answers. */
  | { readonly kind: 'silent' }
  /** Breaks the connection off within the body. */
  | { readonly kind: 'cut'; readonly after: number }
  /** Ends the body too early, with a Content-Length that says so. */
  | { readonly kind: 'short'; readonly by: number }
  /** Ends a chunked body too early: nothing tells that it is not whole. */
  | { readonly kind: 'chunked'; readonly after: number }
  /** Sends a chunked body that goes on behind the end. */
  | { readonly kind: 'long'; readonly by: number }
  /** Stops within the body and keeps the connection. */
  | { readonly kind: 'stall'; readonly after: number }
  /** Sends pieces of this size with pauses between them. */
  | { readonly kind: 'slow'; readonly piece: number; readonly everyMs: number }
  | { readonly kind: 'etag'; readonly value: string }
  /** Sends the whole file with 200 whatever range was asked for. */
  | { readonly kind: 'ignoreRange' }
  /** Sends bytes that lie further on than those asked for, or names another size of the file. */
  | { readonly kind: 'contentRange'; readonly start?: number; readonly total?: number }
  /** Hands out only the first bytes of a range, and says so. */
  | { readonly kind: 'lessRange'; readonly bytes: number }
  /** Flips a bit of the byte at this offset of the file. */
  | { readonly kind: 'corrupt'; readonly at: number }
  | { readonly kind: 'redirect'; readonly to: string; readonly status?: number }
  /** Names another size than the file has where it redirects to the store. */
  | { readonly kind: 'linkedSize'; readonly size: number }
  /** Says that the body is compressed. */
  | { readonly kind: 'encoded'; readonly encoding: string };

export type Fault = Misbehaviour & {
  /** Answers that it spoils. Default 1. */
  readonly times?: number;
  /** Only those whose `METHOD /path` matches, `METHOD /store/path` at the second origin. Default: all; of bodies, GET. */
  readonly match?: RegExp;
};

/** One request and what became of it. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly headers: IncomingMessage['headers'];
  /** True of the second origin. */
  readonly store: boolean;
  fault: Misbehaviour['kind'] | undefined;
  status: number;
  /** Bytes of the body handed to the connection. */
  served: number;
}

export interface ServerOptions {
  /** Files are redirected to a second origin with a signature, as the Hub does. Default false. */
  readonly store?: boolean;
  /** Requests for which a signature is good. Default: any number. */
  readonly uses?: number;
  /** `strong`: of the content; `weak`: marked so; `none`. Default `strong`. */
  readonly etag?: 'strong' | 'weak' | 'none';
  /** The time of the last change as the server writes it; null where it tells none. Default: one of 2024. */
  readonly modified?: string | null;
  /** Status of the answer to every HEAD. Default: that of GET. */
  readonly head?: number;
  /** Leaves `Accept-Ranges` and ranges out altogether. */
  readonly noRanges?: boolean;
  /** Speaks TLS with this certificate, both PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** A file server on loopback, which does what servers do on bad days. */
export interface MisbehavingServer extends AsyncDisposable {
  readonly origin: string;
  /** Where files lie if the server has a store. */
  readonly storeOrigin: string;
  readonly log: LoggedRequest[];
  /** Requests open at this moment, and the most there ever were. */
  readonly open: { now: number; most: number };
  /** Connections that were ever made. */
  connections(): number;
  url(name: string): string;
  /** Adds faults, which come in this order, one for each answer that they match. */
  inject(...faults: readonly Fault[]): void;
  /** Puts another content, or none, in a file's place. */
  replace(name: string, bytes: Uint8Array | undefined): void;
  /** Bytes of bodies handed to connections: of all answers, of those without a fault. */
  served(which?: 'all' | 'good'): number;
  close(): Promise<void>;
}

/** Faults that come in place of an answer. */
const EARLY: ReadonlySet<string> = new Set<Misbehaviour['kind']>([
  'status',
  'reset',
  'silent',
  'redirect',
  'linkedSize',
]);

const PIECE = 16 << 10;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const listen = (server: Server, scheme: string): Promise<string> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });

const shut = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** Starts the server with these files. */
export async function misbehavingServer(
  files: Readonly<Record<string, Uint8Array>>,
  options: ServerOptions = {},
): Promise<MisbehavingServer> {
  const contents = new Map(Object.entries(files));
  const tags = new Map<Uint8Array, string>();
  const tagOf = (bytes: Uint8Array): string => {
    const tag = tags.get(bytes) ?? sha256(bytes);
    tags.set(bytes, tag);
    return tag;
  };
  const log: LoggedRequest[] = [];
  const pending: { fault: Fault; left: number }[] = [];
  const signatures = new Map<string, number>();
  const open = { now: 0, most: 0 };
  let connections = 0;

  const takeFault = (key: string, early: boolean): Misbehaviour | undefined => {
    // What spoils a body is not used up by answers without one.
    const usual = early || key.startsWith('GET');
    const found = pending.find(
      ({ fault, left }) => left > 0 && EARLY.has(fault.kind) === early && (fault.match?.test(key) ?? usual),
    );
    if (found === undefined) return undefined;
    found.left--;
    return found.fault;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse, store: boolean): Promise<void> => {
    const url = new URL(request.url ?? '/', store ? storeOrigin : origin);
    const { method = 'GET', headers } = request;
    const entry: LoggedRequest = {
      ...{ method, path: url.pathname, range: headers.range, headers, store },
      ...{ fault: undefined, status: 0, served: 0 },
    };
    log.push(entry);
    open.most = Math.max(open.most, ++open.now);
    response.on('close', () => {
      open.now--;
    });
    const key = `${method} ${store ? '/store' : ''}${url.pathname}`;
    const early = takeFault(key, true);
    entry.fault = early?.kind;
    const refuse = (status: number, extra: Record<string, string> = {}): void => {
      entry.status = status;
      response.writeHead(status, { 'content-length': 0, ...extra }).end();
    };
    switch (early?.kind) {
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      case 'silent':
        return;
      case 'redirect':
        entry.status = early.status ?? 302;
        response.writeHead(entry.status, { location: early.to }).flushHeaders();
        setTimeout(() => response.end('It is elsewhere.'), 2);
        return;
      case 'status':
        return refuse(early.status, {
          ...(early.retryAfter === undefined ? {} : { 'retry-after': String(early.retryAfter) }),
          ...(early.rateLimit === undefined ? {} : { ratelimit: `"api";r=0;t=${early.rateLimit}` }),
        });
    }
    const name = decodeURIComponent(url.pathname.slice(1));
    const bytes = contents.get(name);
    if (bytes === undefined) return refuse(404);
    if (method === 'HEAD' && options.head !== undefined) return refuse(options.head);
    if (options.store === true && !store) {
      const signature = `s${signatures.size}`;
      signatures.set(signature, options.uses ?? Number.POSITIVE_INFINITY);
      return refuse(302, {
        location: `${storeOrigin}${url.pathname}?Signature=${signature}`,
        'x-repo-commit': 'c'.repeat(40),
        'x-linked-etag': `"${tagOf(bytes)}"`,
        'x-linked-size': String(early?.kind === 'linkedSize' ? early.size : bytes.length),
      });
    }
    if (store) {
      const signature = url.searchParams.get('Signature') ?? '';
      const left = signatures.get(signature) ?? 0;
      if (left <= 0) return refuse(403);
      signatures.set(signature, left - 1);
    }
    const fault = takeFault(key, false);
    entry.fault = fault?.kind;
    // A store has validators of its own.
    const tag = store ? `"store-${tagOf(bytes).slice(0, 16)}"` : `"${tagOf(bytes)}"`;
    await send(request, response, bytes, tag, fault, options, entry);
  };

  const serve = (store: boolean): Server => {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      response.on('error', () => {});
      answer(request, response, store).catch((error: unknown) => response.destroy(error as Error));
    };
    const server = options.tls === undefined ? createServer(listener) : createSecureServer(options.tls, listener);
    return server.on('connection', () => connections++);
  };
  const front = serve(false);
  const back = serve(true);
  const scheme = options.tls === undefined ? 'http' : 'https';
  const origin = await listen(front, scheme);
  const storeOrigin = await listen(back, scheme);
  const close = async (): Promise<void> => {
    await Promise.all([shut(front), shut(back)]);
  };
  return {
    origin,
    storeOrigin,
    log,
    open,
    connections: () => connections,
    url: (name) => `${origin}/${encodeURIComponent(name)}`,
    inject: (...faults) => pending.push(...faults.map((fault) => ({ fault, left: fault.times ?? 1 }))),
    replace(name, bytes) {
      if (bytes === undefined) contents.delete(name);
      else contents.set(name, bytes);
    },
    served: (which = 'all') =>
      log.reduce((sum, { served, fault }) => sum + (which === 'all' || fault === undefined ? served : 0), 0),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array,
  tag: string,
  fault: Misbehaviour | undefined,
  options: ServerOptions,
  entry: LoggedRequest,
): Promise<void> {
  const noRanges = options.noRanges === true;
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const partial = asked !== null && !noRanges && fault?.kind !== 'ignoreRange' && (condition ?? tag) === tag;
  const start = partial ? Number(asked[1]) : 0;
  let end = partial && asked[2] !== '' ? Math.min(Number(asked[2]) + 1, file.length) : file.length;
  if (partial && start >= end) {
    entry.status = 416;
    response.writeHead(416, { 'content-range': `bytes */${file.length}`, 'content-length': 0 }).end();
    return;
  }
  if (partial && fault?.kind === 'lessRange') end = Math.min(end, start + fault.bytes);
  const shift = { start: 0, total: 0, ...(fault?.kind === 'contentRange' ? fault : {}) };
  const from = Math.min(start + shift.start, end - 1);
  let body = file.subarray(from, end);
  if (fault?.kind === 'corrupt' && start <= fault.at && fault.at < end) {
    body = Uint8Array.from(body);
    body[fault.at - start] = (body[fault.at - start] ?? 0) ^ 1;
  }
  if (fault?.kind === 'short') body = body.subarray(0, Math.max(0, body.length - fault.by));
  if (fault?.kind === 'long') body = Buffer.concat([body, Buffer.alloc(fault.by, 0x21)]);
  const strong = fault?.kind === 'etag' ? fault.value : tag;
  const chunked = fault?.kind === 'chunked' || fault?.kind === 'long';
  entry.status = partial ? 206 : 200;
  response.writeHead(entry.status, {
    'content-type': 'application/octet-stream',
    ...(options.modified === null ? {} : { 'last-modified': options.modified ?? 'Mon, 01 Jan 2024 00:00:00 GMT' }),
    ...(noRanges ? {} : { 'accept-ranges': 'bytes' }),
    ...(options.etag === 'none' ? {} : { etag: options.etag === 'weak' ? `W/${strong}` : strong }),
    ...(partial ? { 'content-range': `bytes ${from}-${end - 1}/${file.length + shift.total}` } : {}),
    ...(chunked ? {} : { 'content-length': body.length }),
    ...(fault?.kind === 'encoded' ? { 'content-encoding': fault.encoding } : {}),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const stop =
    fault?.kind === 'cut' || fault?.kind === 'stall' || fault?.kind === 'chunked'
      ? fault.after
      : Number.POSITIVE_INFINITY;
  const size = fault?.kind === 'slow' ? fault.piece : PIECE;
  for (let at = 0; at < Math.min(stop, body.length); at += size) {
    if (fault?.kind === 'slow') await sleep(fault.everyMs);
    const piece = body.subarray(at, Math.min(at + size, stop));
    entry.served += piece.length;
    if (!response.write(piece)) await drained(response);
    if (response.destroyed) return;
  }
  if (fault?.kind === 'stall') return;
  if (fault?.kind !== 'cut') {
    response.end();
    return;
  }
  // What was written shall arrive before the connection breaks.
  await sleep(5);
  response.destroy();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
