import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { RecordError } from '../../../src/errors.ts';
import { pull } from '../../../src/flow/index.ts';
import { type AttachOptions, attach } from '../../../src/operators/attach.ts';
import type { Document, MetaValue } from '../../../src/records.ts';
import { withRun } from '../../../src/run/context.ts';
import { temporaryFolder } from '../../sources/helpers.ts';

export interface Attached {
  readonly documents: readonly Document[];
  readonly rejects: readonly RecordError[];
}

/** A row with a file column. */
export function row(ordinal: number, image: MetaValue, base?: string): Document {
  return {
    id: `r${ordinal}`,
    source: { split: '00000', uri: 'train/rows.jsonl', position: { ordinal, line: ordinal + 1 }, base },
    bytes: Buffer.from(`text ${ordinal}`),
    meta: { lang: 'en', image },
  };
}

export type Asked = Partial<AttachOptions>;

/** Nothing of the environment, impatient, and with a cache of its own. */
export function impatient(options: Asked): AttachOptions {
  const { remote, ...rest } = options;
  return {
    columns: ['image'],
    cache: temporaryFolder(),
    ...rest,
    remote: {
      ...remote,
      hub: { endpoint: 'http://127.0.0.1:9', token: false, cacheFolder: temporaryFolder(), ...remote?.hub },
      http: { retries: 1, backoff: { firstMs: 1, mostMs: 2 }, stallMs: 2000, ...remote?.http },
    },
  };
}

export function attached(rows: readonly Document[], options: Asked = {}): Promise<Attached> {
  return through(attach(impatient(options)), rows);
}

/** One split through an operator that may serve others at the same time. */
export function through(operator: ReturnType<typeof attach>, rows: readonly Document[]): Promise<Attached> {
  return new Promise((resolve, reject) => {
    const documents: Document[] = [];
    const rejects: RecordError[] = [];
    const context = { reject: (_stage: string, error: RecordError) => rejects.push(error) };
    withRun(context, () =>
      pull(() => rows.map((one) => [one]))
        .pipe(operator)
        .subscribe({
          next: (document) => documents.push(document),
          error: reject,
          complete: () => resolve({ documents, rejects }),
        }),
    );
  });
}

export const shown = ({ documents }: Attached): string[] =>
  documents.map(({ id, source, bytes }) => `${id} ${source.uri} ${Buffer.from(bytes).toString()}`);

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface Web {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly host: string;
  /** Paths that were asked for with GET. */
  readonly gets: string[];
}

/** A web server on loopback: files by path, or handlers. */
export async function web(files: Readonly<Record<string, string | Handler>>, delayMs = () => 0): Promise<Web> {
  const gets: string[] = [];
  const server = createServer(async (request, response) => {
    const { method, url = '/' } = request;
    if (method === 'GET') gets.push(url);
    await sleep(delayMs());
    const file = files[url.split('?')[0] ?? ''];
    if (file === undefined) response.writeHead(404).end();
    else if (typeof file === 'function') await file(request, response);
    else response.writeHead(200, { 'content-length': Buffer.byteLength(file) }).end(method === 'HEAD' ? '' : file);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, gets };
}
