/**
 * A Hugging Face Hub on loopback for tests: datasets, files by redirect to a second origin, uploads, and whatever can go
 * wrong with them.
 *
 *   const hub = await startHub({
 *     repositories: { 'owner/name': { files: { 'data/train.jsonl': '{"text":"a"}\n' } } },   // or a folder's path
 *   });
 *   // HF_ENDPOINT is hub.url, HF_TOKEN is hub.token (everything is allowed to it), or none for what is public.
 *   hub.fault({ kind: 'cut', after: 1000, origin: 'cdn' });                     // see faults.ts; rules are spent one by one
 *   hub.fault({ kind: 'status', status: 503, retryAfter: 1, match: /\/tree\//, times: 2 });
 *   hub.log                                                                    // requests: url, range, status, bytes sent
 *   hub.bytes(/\/files\//)                                                     // bytes of bodies sent for paths that match
 *   hub.repository('owner/name').put({ 'data/train.jsonl': '...' })            // a new commit; { id } is its name
 *   await hub.repository('owner/name').read('data/train.jsonl')
 *   hub.expireLinks();                                                         // redirects given so far lead to a 403
 *   await hub.close();
 *
 * Files named like Parquet, tar, safetensors ... and those of at least `lfsFrom` bytes are git-LFS files: `resolve` redirects them to
 * the CDN, with X-Linked-ETag (SHA-256), X-Linked-Size and X-Repo-Commit; all others go to the Hub's own
 * `/api/resolve-cache` with the git blob's hash as ETag.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Exchange, type LogEntry, Refusal } from './exchange.ts';
import { type Fault, FaultRules } from './faults.ts';
import * as reads from './reads.ts';
import { Repository, type RepositorySetup } from './repository.ts';
import type { HubState, User } from './state.ts';
import * as uploads from './uploads.ts';

export interface HubSetup {
  readonly repositories?: Readonly<Record<string, RepositorySetup>>;
  /** Users by token, besides `hub.token`, which may do everything. */
  readonly users?: Readonly<Record<string, User>>;
  /** Entries of a listing that come in one answer. Default 50. */
  readonly pageSize?: number;
  /** Bytes from which on a file is one of git-LFS whatever its name. Default 64 KiB. */
  readonly lfsFrom?: number;
  /** Uploads that are larger come in parts of this many bytes. Default: in one piece. */
  readonly partSize?: number;
}

const TOKEN = 'hf_loopback';

export class Hub {
  readonly token = TOKEN;
  readonly log: LogEntry[] = [];
  readonly #faults = new FaultRules();
  readonly #state: HubState;
  readonly #servers: readonly Server[];

  constructor(state: HubState) {
    this.#state = state;
    this.#servers = (['hub', 'cdn'] as const).map((origin) => createServer(this.#listener(origin)));
  }

  /** The endpoint, such as `http://127.0.0.1:4000`. */
  get url(): string {
    return this.#state.hub;
  }

  /** The origin that LFS files come from. */
  get cdnUrl(): string {
    return this.#state.cdn;
  }

  async listen(): Promise<void> {
    const [hub = '', cdn = ''] = await Promise.all(this.#servers.map(listening));
    this.#state.hub = hub;
    this.#state.cdn = cdn;
  }

  repository(name: string): Repository {
    const repository = this.#state.repositories.get(name);
    if (repository === undefined) throw new Error(`the Hub has no ${name}`);
    return repository;
  }

  fault(...faults: readonly Fault[]): void {
    for (const fault of faults) this.#faults.add(fault);
  }

  /** Redirects that were given before now lead to links that have expired. */
  expireLinks(): void {
    this.#state.links++;
  }

  /** Bytes of answers' bodies, of all requests or of those whose path and query match. */
  bytes(match = /./): number {
    return this.log.filter(({ url }) => match.test(url)).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Forgets the log and all faults. */
  clear(): void {
    this.log.length = 0;
    this.#faults.clear();
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
    await rm(this.#state.folder, { recursive: true, force: true });
  }

  #listener(origin: 'hub' | 'cdn'): RequestListener {
    return async (request, response) => {
      const { method = 'GET', url = '/', headers } = request;
      const fault = this.#faults.take(method, url.split('?')[0] ?? '', origin);
      const entry: LogEntry = {
        origin,
        method,
        url,
        range: headers.range,
        authorised: headers.authorization !== undefined,
        fault: fault?.kind,
        status: 0,
        bytes: 0,
      };
      this.log.push(entry);
      const exchange = new Exchange(request, response, entry, fault);
      try {
        if (await exchange.failed()) return;
        await (origin === 'hub' ? atHub(exchange, this.#state) : atCdn(exchange, this.#state));
      } catch (error) {
        await exchange.refuse(error instanceof Refusal ? error : new Refusal(500, String(error)));
      }
    };
  }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server that listens on a port has an address of this kind.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function atHub(exchange: Exchange, state: HubState): Promise<void> {
  const { method = 'GET' } = exchange.request;
  const [first, second, third = '', fourth = '', ...rest] = exchange.segments;
  const reading = method === 'GET' || method === 'HEAD';
  if (first === 'api' && second === 'datasets') {
    const name = `${third}/${fourth}`;
    const [verb, revision = '', ...path] = rest;
    if (reading && verb === undefined) return reads.info(exchange, state, name);
    if (reading && verb === 'revision') return reads.info(exchange, state, name, revision);
    if (reading && verb === 'refs') return reads.refs(exchange, state, name);
    if (reading && verb === 'tree') return reads.tree(exchange, state, name, revision, path.join('/'));
    if (reading && verb === 'parquet') return reads.parquet(exchange, state, name, rest.slice(1));
    if (method === 'POST' && verb === 'paths-info') return reads.pathsInfo(exchange, state, name, revision);
    if (method === 'POST' && verb === 'preupload') return uploads.preupload(exchange, state, name, revision);
    if (method === 'POST' && verb === 'commit') return uploads.commit(exchange, state, name, revision);
  }
  if (first === 'api' && second === 'whoami-v2') return reads.whoAmI(exchange, state);
  if (first === 'api' && second === 'repos' && third === 'create') return uploads.create(exchange, state);
  if (reading && first === 'api' && second === 'resolve-cache') {
    const [name = '', commit = '', ...path] = rest;
    return reads.small(exchange, state, `${fourth}/${name}`, commit, path.join('/'));
  }
  if (reading && first === 'datasets' && fourth === 'resolve') {
    const [revision = '', ...path] = rest;
    return reads.resolve(exchange, state, `${second}/${third}`, revision, path.join('/'));
  }
  if (method === 'POST' && first === 'datasets' && rest[1] === 'objects') {
    const name = `${second}/${third.replace(/\.git$/, '')}`;
    if (rest[2] === 'batch') return uploads.batch(exchange, state, name);
    if (rest[2] === 'complete') return uploads.complete(exchange, state);
    if (rest[2] === 'verify') return uploads.verify(exchange, state);
  }
  throw new Refusal(404, `nothing is known of ${method} ${exchange.url.pathname}`);
}

async function atCdn(exchange: Exchange, state: HubState): Promise<void> {
  const [kind, sha256 = ''] = exchange.segments;
  const { method } = exchange.request;
  if (kind === 'files' && (method === 'GET' || method === 'HEAD')) return reads.object(exchange, state, sha256);
  if (kind === 'upload' && method === 'PUT') return uploads.upload(exchange, state, sha256);
  throw new Refusal(404, `nothing is known of ${method} ${exchange.url.pathname}`);
}

export async function startHub(setup: HubSetup = {}): Promise<Hub> {
  const store = { lfsFrom: setup.lfsFrom ?? 64 << 10, objects: new Map() };
  const repositories = Object.entries(setup.repositories ?? {}).map(
    ([name, repository]) => [name, new Repository(name, repository, store)] as const,
  );
  const hub = new Hub({
    ...store,
    repositories: new Map(repositories),
    users: new Map(Object.entries({ [TOKEN]: { name: 'tester', role: 'write', access: 'all' }, ...setup.users })),
    pageSize: setup.pageSize ?? 50,
    partSize: setup.partSize,
    folder: await mkdtemp(path.join(tmpdir(), 'sluice-hub-')),
    hub: '',
    cdn: '',
    links: 1,
  });
  await hub.listen();
  return hub;
}
