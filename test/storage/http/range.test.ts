import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Fault, misbehavingServer, type ServerOptions } from '../../support/misbehavingServer.ts';
import { failure, noise, quickClient, read } from './helpers.ts';

const FILE = noise(1 << 20);

async function withServer<T>(
  options: ServerOptions,
  use: (server: Awaited<ReturnType<typeof misbehavingServer>>) => Promise<T>,
): Promise<T> {
  await using server = await misbehavingServer({ 'a.bin': FILE }, options);
  return await use(server);
}

describe('a range', () => {
  it('is exactly the bytes asked for, and costs no others', () =>
    withServer({}, async (server) => {
      let transferred = 0;
      const client = quickClient({
        onTransfer: (bytes) => {
          transferred += bytes;
        },
      });
      const facts = await client.describe(server.url('a.bin'));
      let wanted = 0;
      for (const [start, end] of [
        [0, FILE.length],
        [0, 1],
        [FILE.length - 1, FILE.length],
        [100_000, 500_000],
        [7, 7],
      ] as const) {
        expect((await read(client, facts, start, end)).equals(FILE.subarray(start, end))).toBe(true);
        wanted += end - start;
      }
      expect(server.served()).toBe(wanted);
      expect(transferred).toBe(wanted);
      // nothing is asked for an empty range
      expect(server.log.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'GET', 'GET', 'GET']);
      await client.close();
    }));

  it('that the file does not have is refused before anything is asked', () =>
    withServer({}, async (server) => {
      const client = quickClient();
      const file = { url: server.url('a.bin'), size: 100 };
      for (const [start, end] of [
        [0, 101],
        [-1, 5],
        [5, 4],
        [0.5, 3],
        [0, Number.NaN],
      ] as const) {
        expect((await failure(read(client, file, start, end))).code).toBe('BAD_RANGE');
      }
      expect(server.log).toEqual([]);
    }));

  it('leaves its connection to the next', () =>
    withServer({}, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      for (let n = 0; n < 10; n++) await read(client, facts, n * 1000, n * 1000 + 100_000);
      // A request that follows at once does not wait until the connection of the one before it is free.
      expect(server.connections()).toBeLessThanOrEqual(2);
      await client.close();
    }));

  const broken: [string, Fault][] = [
    ['cut', { kind: 'cut', after: 100_000 }],
    ['cut before its first byte', { kind: 'cut', after: 0 }],
    ['cut many times', { kind: 'cut', after: 40_000, times: 12 }],
    ['short', { kind: 'short', by: 50_000 }],
    ['ended too early without a word', { kind: 'chunked', after: 123_456 }],
    ['stalled', { kind: 'stall', after: 60_000 }],
    ['answered with less', { kind: 'lessRange', bytes: 100_000, times: 3 }],
    ['answered with hardly anything', { kind: 'lessRange', bytes: 10, times: 3 }],
    ['slow', { kind: 'slow', piece: 60_000, everyMs: 20 }],
  ];
  it.each(broken)('that is %s arrives whole, and no byte is fetched twice', (_, fault) =>
    withServer({}, async (server) => {
      let transferred = 0;
      const client = quickClient({
        onTransfer: (bytes) => {
          transferred += bytes;
        },
      });
      const facts = await client.describe(server.url('a.bin'));
      server.inject(fault);
      const [start, end] = [200_000, 900_000];
      expect((await read(client, facts, start, end)).equals(FILE.subarray(start, end))).toBe(true);
      expect(server.log.filter((entry) => entry.fault === fault.kind)).toHaveLength(fault.times ?? 1);
      expect(transferred).toBe(end - start);
      expect(server.served('good')).toBeLessThanOrEqual(end - start);
      await client.close();
    }),
  );

  const refused: [string, Fault][] = [
    ['reset', { kind: 'reset', times: 3 }],
    ['left without an answer', { kind: 'silent', times: 2 }],
    ...[408, 425, 429, 500, 502, 503, 504].map((status): [string, Fault] => [
      `answered ${status}`,
      { kind: 'status', status, times: 2 },
    ]),
    ['answered with other bytes', { kind: 'contentRange', start: 7, times: 2 }],
    ['answered with too much', { kind: 'long', by: 3_000_000, times: 2 }],
  ];
  it.each(refused)('that is %s is asked for again', (_, fault) =>
    withServer({}, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      server.inject(fault);
      expect((await read(client, facts, 1000, 90_000)).equals(FILE.subarray(1000, 90_000))).toBe(true);
      await client.close();
    }),
  );

  it('never goes beyond its end, however much the server sends', () =>
    withServer({}, async (server) => {
      let transferred = 0;
      const client = quickClient({
        onTransfer: (bytes) => {
          transferred += bytes;
        },
      });
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'long', by: 50_000_000 });
      expect((await read(client, facts, 0, 1000)).equals(FILE.subarray(0, 1000))).toBe(true);
      expect(transferred).toBeLessThan(200_000);
      await client.close();
    }));

  it('is given up where a server hands out a byte for each attempt', () =>
    withServer({}, async (server) => {
      const client = quickClient({ retries: 4 });
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'cut', after: 1, times: 1000 });
      const error = await failure(read(client, facts));
      expect(error.code).toBe('NETWORK');
      expect(error.message).toMatch(/\(after 5 attempts\)$/);
      expect(server.log).toHaveLength(1 + 5);
      // of a range so short that a byte is progress, all arrive
      expect((await read(client, facts, 5, 25)).equals(FILE.subarray(5, 25))).toBe(true);
      await client.close();
    }));

  it('is given up where a server hands out hardly anything each time, and says so', () =>
    withServer({}, async (server) => {
      const client = quickClient({ retries: 4 });
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'lessRange', bytes: 1, times: 1000 });
      expect((await failure(read(client, facts))).message).toBe(
        `'${facts.url}': the body ended at byte 5 of ${FILE.length} (after 5 attempts)`,
      );
      await client.close();
    }));

  it('has to arrive in better pieces than that after a failure, however much came before', () =>
    withServer({}, async (server) => {
      const client = quickClient({ retries: 4 });
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'cut', after: 500_000 }, { kind: 'cut', after: 1, times: 1000 });
      expect((await failure(read(client, facts))).message).toMatch(/\(after 5 attempts\)$/);
      await client.close();
    }));

  it('takes its time where its reader does, or the server does', () =>
    withServer({}, async (server) => {
      const client = quickClient({ stallMs: 250 });
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'slow', piece: 150_000, everyMs: 60 });
      expect((await read(client, facts)).equals(FILE)).toBe(true);
      let bytes = 0;
      for await (const chunk of client.range(facts, 0, FILE.length)) {
        if (bytes === 0) await sleep(600);
        bytes += chunk.length;
      }
      expect(bytes).toBe(FILE.length);
      expect(server.log.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'GET']);
      await client.close();
    }));

  it('leaves no connection open that it has no use for', async () => {
    // more than buffers on the way hold
    await using server = await misbehavingServer({ 'a.bin': new Uint8Array(24 << 20) });
    const client = quickClient({ retries: 0, stallMs: 10_000 });
    const facts = await client.describe(server.url('a.bin'));
    for (const fault of [
      { kind: 'etag', value: '"x"' },
      { kind: 'contentRange', start: 9 },
      { kind: 'encoded', encoding: 'br' },
      { kind: 'ignoreRange' },
    ] as const) {
      server.inject(fault);
      await failure(read(client, facts, 2 << 20, facts.size));
      await expect.poll(() => server.open.now).toBe(0);
    }
    for await (const _chunk of client.range(facts, 0, facts.size)) break;
    await expect.poll(() => server.open.now).toBe(0);
    expect((await failure(client.request(facts.url))).code).toBe('TOO_LARGE');
    await expect.poll(() => server.open.now).toBe(0);
    await client.close();
  });

  it('is stopped by what does not pass', () =>
    withServer({}, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      for (const [status, code] of [
        [400, 'HTTP_STATUS'],
        [401, 'NOT_AUTHORISED'],
        [403, 'FORBIDDEN'],
        [404, 'NOT_FOUND'],
        [410, 'NOT_FOUND'],
        [416, 'BAD_ANSWER'],
        [451, 'HTTP_STATUS'],
      ] as const) {
        server.log.length = 0;
        server.inject({ kind: 'status', status, times: status === 416 ? 2 : 1 });
        const error = await failure(read(client, facts, 0, 10));
        expect(error).toMatchObject({ code, path: facts.url });
        expect(server.log).toHaveLength(status === 416 ? 2 : 1);
      }
      server.inject({ kind: 'encoded', encoding: 'gzip' });
      expect((await failure(read(client, facts, 0, 10))).code).toBe('CONTENT_ENCODED');
      expect(server.log.every(({ headers }) => headers['accept-encoding'] === 'identity')).toBe(true);
      await client.close();
    }));

  it('ends with the error of its last attempt once there were too many', () =>
    withServer({}, async (server) => {
      const client = quickClient({ retries: 2 });
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'stall', after: 0, times: 3 });
      expect(await failure(read(client, facts))).toMatchObject({
        code: 'STALLED',
        message: `'${facts.url}': the server has sent nothing for 300 ms (after 3 attempts)`,
      });
      server.inject({ kind: 'reset', times: 3 });
      expect((await failure(read(client, facts))).code).toBe('NETWORK');
      server.inject({ kind: 'status', status: 429, times: 3 });
      expect((await failure(read(client, facts))).code).toBe('RATE_LIMITED');
      await server.close();
      expect((await failure(read(client, facts))).code).toBe('NETWORK');
      await client.close();
    }));
});

describe('a file that changes', () => {
  it.each(['strong', 'weak', 'none'] as const)('in size is noticed (validator: %s)', (etag) =>
    withServer({ etag }, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      server.replace('a.bin', FILE.subarray(1));
      expect((await failure(read(client, facts, 0, 10))).code).toBe('INPUT_CHANGED');
      // also where the range lies behind its end, and is not looked at otherwise
      server.replace('a.bin', FILE.subarray(0, 10));
      expect(await failure(read(client, facts, 500, 510))).toMatchObject({ code: 'INPUT_CHANGED', path: facts.url });
      await client.close();
    }),
  );

  it('and keeps its size is noticed by its validator, before the first byte and in the middle', () =>
    withServer({}, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      const other = noise(FILE.length, 2);
      const stream = client.range(facts, 0, FILE.length);
      server.inject({ kind: 'cut', after: 100_000 });
      let at = 0;
      const error = await failure(
        (async () => {
          for await (const chunk of stream) {
            expect(Buffer.compare(chunk, FILE.subarray(at, at + chunk.length))).toBe(0);
            at += chunk.length;
            server.replace('a.bin', other);
          }
        })(),
      );
      expect(error.code).toBe('INPUT_CHANGED');
      expect(at).toBe(100_000);
      expect((await failure(read(client, facts, 0, 10))).code).toBe('INPUT_CHANGED');
      // described anew, it is another file, and read as such
      const now = await client.describe(server.url('a.bin'));
      expect((await read(client, now, 0, 10)).equals(other.subarray(0, 10))).toBe(true);
      expect((await failure(read(client, facts, 0, 10))).code).toBe('INPUT_CHANGED');
      await client.close();
    }));

  it('is noticed by the time of its change where there is no validator', () =>
    withServer({ etag: 'weak' }, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      expect(facts.etag).toBeUndefined();
      const earlier = { ...facts, lastModified: 'Sun, 31 Dec 2023 00:00:00 GMT' };
      expect((await failure(read(client, earlier, 0, 10))).code).toBe('INPUT_CHANGED');
      await client.close();
    }));

  it('is not read on where the server sends another validator', () =>
    withServer({}, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'etag', value: '"another"' });
      const error = await failure(read(client, facts, 5, 10));
      expect(error).toMatchObject({ code: 'INPUT_CHANGED', path: facts.url });
      expect(error.message).toContain(`it was ${facts.etag}, it is "another"`);
      // one that a proxy has weakened is the same, another one is another, and none is no answer
      server.inject({ kind: 'etag', value: `W/${facts.etag}` });
      expect((await read(client, facts, 5, 10)).equals(FILE.subarray(5, 10))).toBe(true);
      server.inject({ kind: 'etag', value: 'W/"another"' });
      expect((await failure(read(client, facts, 5, 10))).code).toBe('INPUT_CHANGED');
      server.inject({ kind: 'etag', value: '', times: 7 });
      expect((await failure(read(client, facts, 5, 10))).code).toBe('BAD_ANSWER');
      server.inject({ kind: 'etag', value: '' });
      expect((await read(client, facts, 5, 10)).equals(FILE.subarray(5, 10))).toBe(true);
      await client.close();
    }));
});

describe('a server without ranges', () => {
  it('gives whole files, also when they break', () =>
    withServer({ noRanges: true }, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      server.inject({ kind: 'cut', after: 300_000 });
      expect((await read(client, facts)).equals(FILE)).toBe(true);
      await client.close();
    }));

  it('is read from the beginning for a little, and no further than the end', () =>
    withServer({ noRanges: true }, async (server) => {
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      expect((await read(client, facts, 50_000, 60_000)).equals(FILE.subarray(50_000, 60_000))).toBe(true);
      await client.close();
    }));

  it('is of no use for parts of long files', async () => {
    const long = noise(3 << 20);
    await using server = await misbehavingServer({ 'a.bin': long }, { noRanges: true });
    let transferred = 0;
    const client = quickClient({
      onTransfer: (bytes) => {
        transferred += bytes;
      },
    });
    const facts = await client.describe(server.url('a.bin'));
    const error = await failure(read(client, facts, 2 << 20, (2 << 20) + 10));
    expect(error).toMatchObject({ code: 'NO_RANGES', path: facts.url });
    expect(error.hint).toMatch(/cache/);
    expect(transferred).toBe(0);
    await client.close();
  });

  it('that only forgot about them once is asked again', async () => {
    const long = noise(3 << 20);
    await using server = await misbehavingServer({ 'a.bin': long });
    const client = quickClient();
    const facts = await client.describe(server.url('a.bin'));
    server.inject({ kind: 'ignoreRange' });
    const [start, end] = [2 << 20, (2 << 20) + 1000];
    expect((await read(client, facts, start, end)).equals(long.subarray(start, end))).toBe(true);
    await client.close();
  });
});
