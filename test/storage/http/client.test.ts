import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HttpClient } from '../../../src/storage/http/client.ts';
import { type HttpSettings, resolveSettings } from '../../../src/storage/http/settings.ts';
import { Transport } from '../../../src/storage/http/transport.ts';
import { type Fault, misbehavingServer } from '../../support/misbehavingServer.ts';
import { failure, noise, quickClient, read } from './helpers.ts';

const FILE = noise(300_000);

describe('settings', () => {
  it.each([
    { retries: -1 },
    { retries: 0.5 },
    { stallMs: 0 },
    { stallMs: 2 ** 31 },
    { backoff: { firstMs: 100, mostMs: 10 } },
    { mostWaitMs: Number.NaN },
    { openRequests: 0 },
    { endpoints: ['127.0.0.1:80'] },
    { endpoints: ['s3://bucket'] },
  ] as HttpSettings[])('%j are refused', (settings) => {
    expect(() => new HttpClient(settings)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});

describe('addresses', () => {
  it.each([
    ['not a url', 'BAD_URL'],
    ['file:///etc/passwd', 'BAD_URL'],
    ['https://user@example.org/', 'BAD_URL'],
    ['https://user:password@example.org/?token=geheim', 'BAD_URL'],
    ['https://example.com/', 'HOST_NOT_ALLOWED'],
    ['https://example.org.evil.example/', 'HOST_NOT_ALLOWED'],
    ['https://evilexample.org/', 'HOST_NOT_ALLOWED'],
    ['https://hub.example/', 'HOST_NOT_ALLOWED'],
    ['https://ported.example/', 'HOST_NOT_ALLOWED'],
  ])('%s is refused, and its secrets are not repeated', async (url, code) => {
    const client = new HttpClient({ hosts: ['Example.org', '*.hub.example', 'ported.example:8443'] });
    const error = await failure(client.request(url));
    expect(error.code).toBe(code);
    expect(JSON.stringify([error.message, error.path, error.hint])).not.toMatch(/password@|geheim/);
  });
});

describe('a request', () => {
  it('brings back status, headers and body', async () => {
    await using server = await misbehavingServer({ 'a.json': Buffer.from('{"a":1}') });
    const client = quickClient();
    const { status, headers, body } = await client.request(server.url('a.json'));
    expect(status).toBe(200);
    expect(headers['content-length']).toBe('7');
    expect(JSON.parse(Buffer.from(body).toString())).toEqual({ a: 1 });
    const head = await client.request(server.url('a.json'), { method: 'HEAD', maxBytes: 1 });
    expect([head.status, head.body.length]).toEqual([200, 0]);
    await client.close();
  });

  it('is sent again after what may pass, and only where that does no harm', async () => {
    await using server = await misbehavingServer({ 'a.json': Buffer.from('{"a":1}') });
    const client = quickClient({ retries: 2 });
    const url = server.url('a.json');
    server.inject({ kind: 'status', status: 503 }, { kind: 'cut', after: 3, match: /./ });
    expect((await client.request(url)).body).toHaveLength(7);
    server.log.length = 0;
    server.inject({ kind: 'status', status: 503 });
    expect(await failure(client.request(url, { method: 'POST', body: '{}' }))).toMatchObject({ code: 'NETWORK' });
    expect(server.log).toHaveLength(1);
    server.inject({ kind: 'status', status: 503 });
    expect((await client.request(url, { method: 'POST', body: '{}', idempotent: true })).status).toBe(200);
    await client.close();
  });

  it('to a server that does not exist fails with a word about it', async () => {
    const client = quickClient({ allowPrivate: false });
    const error = await failure(client.request('https://sluice.invalid/a?token=geheim'));
    expect(error).toMatchObject({ code: 'NETWORK', path: 'https://sluice.invalid/a?...' });
    await client.close();
  });

  it('returns refusals to those who understand them', async () => {
    await using server = await misbehavingServer({});
    const client = quickClient({ retries: 1 });
    const url = server.url('gone');
    expect((await failure(client.request(url))).code).toBe('NOT_FOUND');
    expect((await client.request(url, { anyStatus: true })).status).toBe(404);
    server.inject({ kind: 'status', status: 500, times: 3 });
    expect((await failure(client.request(url, { anyStatus: true }))).code).toBe('NETWORK');
    expect((await client.request(url, { anyStatus: true, method: 'POST' })).status).toBe(500);
    await client.close();
  });

  it('takes no answer that is too long, whether it says so or not', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient();
    const url = server.url('a.bin');
    expect((await failure(client.request(url, { maxBytes: 299_999 }))).code).toBe('TOO_LARGE');
    server.inject({ kind: 'long', by: 1 });
    expect((await failure(client.request(url, { maxBytes: 300_000 }))).code).toBe('TOO_LARGE');
    expect((await client.request(url, { maxBytes: 300_000 })).body).toHaveLength(300_000);
    await client.close();
  });

  it('repeats the words of the Hub, and nothing that steers a terminal', async () => {
    const server = createServer((_, response) => {
      response.writeHead(403, { 'x-error-message': `Access is restricted. \u009b31m${'x'.repeat(1000)}` }).end('page');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = quickClient();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/private?token=geheim`;
    const error = await failure(client.request(url));
    expect(error.message).toMatch(/the server refuses access \(403\): Access is restricted\. {2}31mx+$/);
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).not.toContain('geheim');
    await client.close();
    server.close();
  });
});

describe('the wait that a server asks for', () => {
  const timed = async (settings: HttpSettings, fault: { retryAfter?: number | string; rateLimit?: number }) => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient(settings);
    server.inject({ kind: 'status', status: 429, ...fault });
    const start = performance.now();
    const result = await client.request(server.url('a.bin')).catch((error: unknown) => error);
    await client.close();
    return { result, ms: performance.now() - start };
  };

  it('is kept, in seconds, as a date and as the Hub says it', async () => {
    // A date has whole seconds: it lies two to three seconds from when it is made.
    for (const fault of [
      () => ({ retryAfter: 1 }),
      () => ({ retryAfter: new Date(Date.now() + 3000).toUTCString() }),
      () => ({ rateLimit: 1 }),
    ]) {
      const { result, ms } = await timed({}, fault());
      expect(result).toMatchObject({ status: 200 });
      expect(ms).toBeGreaterThan(950);
      expect(ms).toBeLessThan(6000);
    }
  }, 15_000);

  it('is too long where it is longer than allowed', async () => {
    const { result, ms } = await timed({}, { retryAfter: 301 });
    expect(result).toMatchObject({
      code: 'RATE_LIMITED',
      message: expect.stringContaining('it asks to wait 301 s'),
      hint: expect.stringContaining('301 s'),
    });
    expect(ms).toBeLessThan(500);
    expect((await timed({ mostWaitMs: 900 }, { rateLimit: 1 })).result).toMatchObject({ code: 'RATE_LIMITED' });
  });
});

describe('what a server says of a file', () => {
  it('is its size and how to recognise it', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE, 'empty.bin': new Uint8Array() });
    const client = quickClient();
    const url = server.url('a.bin');
    const facts = await client.describe(`${url}#part`);
    expect(facts).toMatchObject({ size: FILE.length, finalUrl: url, ranges: true, sha256: undefined });
    expect(facts.etag).toMatch(/^"[0-9a-f]{64}"$/);
    expect(facts.lastModified).toBe('Mon, 01 Jan 2024 00:00:00 GMT');
    expect((await client.describe(server.url('empty.bin'))).size).toBe(0);
    expect((await failure(client.describe(server.url('none')))).code).toBe('NOT_FOUND');
    await client.close();
  });

  it.each([400, 403, 405, 501])('is found out by GET where HEAD is refused (%s), without its bytes', async (head) => {
    await using server = await misbehavingServer({ 'a.bin': FILE, 'empty.bin': new Uint8Array() }, { head });
    const client = quickClient();
    expect(await client.describe(server.url('a.bin'))).toMatchObject({ size: FILE.length, ranges: true });
    expect(await client.describe(server.url('empty.bin'))).toMatchObject({ size: 0 });
    expect(server.served()).toBe(1);
    await client.close();
  });

  it('is not believed where HEAD says that there is nothing', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient();
    server.inject({ kind: 'short', by: FILE.length, match: /^HEAD/ });
    expect((await client.describe(server.url('a.bin'))).size).toBe(FILE.length);
    expect(server.served()).toBe(1);
    await client.close();
  });

  it('includes that it has no ranges', async () => {
    for (const head of [200, 405]) {
      await using server = await misbehavingServer(
        { 'a.bin': FILE },
        head === 200 ? { noRanges: true } : { noRanges: true, head },
      );
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      expect(facts.size).toBe(FILE.length);
      expect(facts.ranges).toBe(head === 200 ? undefined : false);
      await client.close();
    }
  });

  it('includes what the Hub says of the content, in its first answer', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    for (const head of [undefined, 403] as const) {
      if (head !== undefined) server.inject({ kind: 'status', status: head, match: /^HEAD \/store/ });
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      expect(facts).toMatchObject({ size: FILE.length, commit: 'c'.repeat(40), etag: `"${facts.sha256}"` });
      expect(facts.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(facts.finalUrl).toContain(`${server.storeOrigin}/a.bin?Signature=`);
      expect((await read(client, facts, 5, 10)).equals(FILE.subarray(5, 10))).toBe(true);
      await client.close();
    }
  });

  it('must agree with what the store says, of its size first of all', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    const client = quickClient();
    server.inject({ kind: 'linkedSize', size: 7 });
    expect((await failure(client.describe(server.url('a.bin')))).code).toBe('INPUT_CHANGED');
    const facts = await client.describe(server.url('a.bin'));
    const fresh = quickClient();
    server.inject({ kind: 'linkedSize', size: 7 });
    expect((await failure(read(fresh, facts, 0, 10))).code).toBe('INPUT_CHANGED');
    await client.close();
    await fresh.close();
  });

  it('must be a validator of the bytes: a weak one is none', async () => {
    for (const etag of ['weak', 'none'] as const) {
      await using server = await misbehavingServer({ 'a.bin': FILE }, { etag });
      const client = quickClient();
      const facts = await client.describe(server.url('a.bin'));
      expect(facts.etag).toBeUndefined();
      expect((await read(client, facts, 5, 10)).equals(FILE.subarray(5, 10))).toBe(true);
      await client.close();
    }
  });

  it('must include its length', async () => {
    const server = createServer((request, response) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.end(request.method === 'HEAD' ? undefined : 'text');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = quickClient();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    expect(await failure(client.describe(url))).toMatchObject({ code: 'NO_SIZE', path: url });
    await client.close();
    server.close();
  });

  it('is asked for again after what may pass', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient();
    server.inject({ kind: 'status', status: 503 }, { kind: 'reset' }, { kind: 'silent' });
    expect((await client.describe(server.url('a.bin'))).size).toBe(FILE.length);
    expect(server.log).toHaveLength(4);
    await client.close();
  });
});

describe('an abort', () => {
  /** Whatever waits here would wait for longer than any test. */
  const patient: HttpSettings = { stallMs: 600_000, backoff: { firstMs: 600_000, mostMs: 600_000 } };

  const cases: [string, Fault][] = [
    ['an answer is waited for', { kind: 'silent' }],
    ['a body has stalled', { kind: 'stall', after: 1000 }],
    ['a pause lasts', { kind: 'status', status: 503, retryAfter: 200 }],
    ['bytes arrive', { kind: 'slow', piece: 100, everyMs: 10 }],
  ];
  it.each(cases)('ends a range at once while %s', async (_, fault) => {
    for (const which of ['client', 'call'] as const) {
      await using server = await misbehavingServer({ 'a.bin': FILE });
      const controller = new AbortController();
      const { signal } = controller;
      const client = quickClient({ ...patient, ...(which === 'client' ? { signal } : {}) });
      const facts = await client.describe(server.url('a.bin'));
      server.inject(fault);
      const reading = (async () => {
        for await (const _chunk of client.range(facts, 0, FILE.length, which === 'call' ? { signal } : {}));
      })();
      await sleep(60);
      const start = performance.now();
      const reason = new Error('enough');
      controller.abort(reason);
      await expect(reading).rejects.toBe(reason);
      expect(performance.now() - start).toBeLessThan(100);
      // the server sees that nobody listens any more
      await sleep(30);
      expect(server.open.now).toBe(0);
      await client.close();
    }
  });

  it('ends those who wait for a place, and requests before they begin', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient({ ...patient, openRequests: 1 });
    server.inject({ kind: 'silent' });
    const controller = new AbortController();
    const first = client.request(server.url('a.bin'), { signal: controller.signal });
    const second = client.describe(server.url('a.bin'), { signal: controller.signal });
    await sleep(30);
    controller.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    await expect(second).rejects.toThrow('enough');
    expect(server.log).toHaveLength(1);
    await expect(client.request(server.url('a.bin'), { signal: controller.signal })).rejects.toThrow('enough');
    expect((await client.request(server.url('a.bin'))).status).toBe(200);
    await client.close();
  });

  it('and closing a client end everything', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient(patient);
    const facts = await client.describe(server.url('a.bin'));
    server.inject({ kind: 'stall', after: 10 });
    const reading = expect(read(client, facts)).rejects.toThrow(/abort/i);
    await sleep(30);
    await client.close();
    await reading;
    await expect(client.request(server.url('a.bin'))).rejects.toThrow(/abort/i);
  });

  it('of many requests on one signal warns of nothing and leaves nothing behind', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const warnings: Error[] = [];
    const note = (warning: Error): void => {
      warnings.push(warning);
    };
    process.on('warning', note);
    const controller = new AbortController();
    const client = quickClient({ signal: controller.signal, openRequests: 2 });
    const facts = await client.describe(server.url('a.bin'));
    await Promise.all(Array.from({ length: 40 }, (_, n) => read(client, facts, n, n + 10)));
    await sleep(10);
    process.off('warning', note);
    expect(warnings).toEqual([]);
    await client.close();
  });

  it('is listened for no longer than a request lasts', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    const transport = new Transport(resolveSettings({ allowPrivate: true }));
    const signal = transport.signal(undefined);
    for (let n = 0; n < 3; n++) {
      const { body } = await transport.send(server.url('a.bin'), { method: 'GET' }, signal);
      for await (const _chunk of body);
    }
    await expect.poll(() => getEventListeners(signal, 'abort')).toEqual([]);
    await transport.close();
  });
});
