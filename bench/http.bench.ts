import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { request } from 'undici';
import { HttpClient } from '../src/storage/http/client.ts';
import { type Bench, type Measure, perItem } from './harness.ts';

const LARGE = 64 << 20;
const SMALL = 4 << 10;
const REQUESTS = 500;

const throughput: Measure = { unit: 'MB/cpu-s', of: (seconds) => LARGE / 1e6 / seconds };

/**
 * What the checks, the watchdog and the resuming of `HttpClient.range` cost against the two ways to ask without them:
 * Node's `fetch`, and the library's own streams. The server is another process, so only the client's CPU counts.
 */
export default async function http(bench: Bench): Promise<void> {
  const server = fork(join(import.meta.dirname, '../test/fixtures/http/serveMain.ts'));
  const [port] = await once(server, 'message');
  const url = `http://127.0.0.1:${port}/file`;
  const client = new HttpClient({ allowPrivate: true });
  const file = await client.describe(url);

  const ways: Record<string, (start: number, end: number) => Promise<AsyncIterable<Uint8Array>>> = {
    range: async (start, end) => client.range(file, start, end),
    async fetch(start, end) {
      const { body } = await fetch(url, { headers: { range: `bytes=${start}-${end - 1}` } });
      if (body === null) throw new Error('no body');
      return body;
    },
    async undici(start, end) {
      return (await request(url, { headers: { range: `bytes=${start}-${end - 1}` } })).body;
    },
  };
  const read = async (way: string, start: number, end: number): Promise<void> => {
    let bytes = 0;
    for await (const chunk of (await ways[way]?.(start, end)) ?? []) bytes += chunk.length;
    if (bytes !== end - start) throw new Error(`${way} read ${bytes} bytes in place of ${end - start}`);
  };
  const large = (way: string) => () => read(way, 0, LARGE);
  const small = (way: string) => async () => {
    for (let n = 0; n < REQUESTS; n++) await read(way, n * SMALL, (n + 1) * SMALL);
  };

  for (const peer of ['fetch', 'undici']) {
    await bench.compare({
      case: '64 MiB in one range',
      measure: throughput,
      run: large('range'),
      peer: { name: peer, run: large(peer) },
    });
    await bench.compare({
      case: '4 KiB ranges, one by one',
      measure: perItem(REQUESTS),
      run: small('range'),
      peer: { name: peer, run: small(peer) },
    });
  }
  await client.close();
  server.disconnect();
}
