import { describe, expect, it } from 'vitest';
import { nextHop, RedirectMemory } from '../../../src/storage/http/redirects.ts';
import { resolveSettings } from '../../../src/storage/http/settings.ts';
import { misbehavingServer } from '../../support/misbehavingServer.ts';
import { failure, noise, quickClient, read } from './helpers.ts';

const FILE = noise(300_000);

const settings = resolveSettings({});
const hop = (url: string, method: 'GET' | 'HEAD' | 'POST' = 'GET', body?: string) => ({
  url: new URL(url),
  method,
  body,
});

describe('redirects', () => {
  it('are followed ten times and no further', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient();
    const to = server.url('a.bin');
    server.inject({ kind: 'redirect', to: '/a.bin', times: 10 });
    expect((await client.request(to)).body).toHaveLength(FILE.length);
    server.log.length = 0;
    server.inject({ kind: 'redirect', to, times: 100 });
    expect(await failure(client.request(to))).toMatchObject({ code: 'REDIRECT_LOOP', path: to });
    expect(server.log).toHaveLength(11);
    await client.close();
  });

  it('keep the connection to the server', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient();
    server.inject({ kind: 'redirect', to: '/a.bin', times: 10 });
    await client.request(server.url('a.bin'));
    expect(server.connections()).toBeLessThanOrEqual(2);
    await client.close();
  });

  it('carry an origin’s headers to that origin alone', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    const secrets: Record<string, string> = { [server.origin]: 'Bearer front', [server.storeOrigin]: 'Bearer store' };
    for (const known of [[server.origin], [server.origin, server.storeOrigin]]) {
      const client = quickClient({
        headers: (origin): Record<string, string> =>
          known.includes(origin) ? { Authorization: secrets[origin] ?? '' } : {},
      });
      server.log.length = 0;
      const facts = await client.describe(server.url('a.bin'));
      await read(client, facts, 0, 1000);
      await client.request(server.url('a.bin'), { headers: { 'X-Own': 'yes' } });
      for (const { headers, store } of server.log) {
        const origin = store ? server.storeOrigin : server.origin;
        expect(headers['authorization']).toBe(known.includes(origin) ? secrets[origin] : undefined);
        if (store) expect(headers['x-own']).toBeUndefined();
      }
      expect(server.log.some(({ headers }) => headers['x-own'] === 'yes')).toBe(true);
      await client.close();
    }
  });

  it('lead to allowed hosts alone', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    const { host } = new URL(server.origin);
    const client = quickClient({ hosts: [host] });
    const error = await failure(client.describe(server.url('a.bin')));
    expect(error).toMatchObject({ code: 'HOST_NOT_ALLOWED', path: server.url('a.bin') });
    expect(error.message).toContain(
      `is redirected: '${server.storeOrigin}/a.bin?...' lies on a host that is not allowed`,
    );
    expect(error.message).not.toContain('Signature');
    const both = quickClient({ hosts: [host, new URL(server.storeOrigin).host] });
    expect((await both.describe(server.url('a.bin'))).size).toBe(FILE.length);
    await client.close();
    await both.close();
  });

  it('lead into no private network, unless it was configured', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient({ allowPrivate: false, endpoints: [server.origin] });
    for (const to of ['http://169.254.169.254/latest/meta-data', 'http://[::1]:1/', 'http://localhost:1/']) {
      server.inject({ kind: 'redirect', to });
      expect((await failure(client.request(server.url('a.bin')))).code).toBe('PRIVATE_ADDRESS');
    }
    await client.close();
  });

  it.each([
    ['file:///etc/passwd', 'BAD_URL'],
    ['ftp://example.org/a', 'BAD_URL'],
    ['http://user:password@example.org/', 'BAD_URL'],
    ['http://', 'BAD_REDIRECT'],
  ])('to %s are refused', async (to, code) => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient();
    server.inject({ kind: 'redirect', to });
    const error = await failure(client.request(server.url('a.bin')));
    expect(error.code).toBe(code);
    expect(`${error.message}${error.hint}`).not.toContain('password@');
    expect(server.log).toHaveLength(1);
    await client.close();
  });

  it('never lead from an encrypted connection to one that is not', () => {
    expect(() => nextHop(hop('https://a.example/x'), 302, { location: 'http://a.example/x' }, settings)).toThrow(
      'redirects to http://a.example/x, which is not encrypted',
    );
    const up = nextHop(hop('http://a.example/x'), 301, { location: 'https://b.example/y?z=1' }, settings);
    expect(up?.url.href).toBe('https://b.example/y?z=1');
  });

  it('turn POST into GET where browsers do, and take no body to another origin', () => {
    const from = hop('https://a.example/x', 'POST', 'body');
    for (const status of [301, 302, 303]) {
      expect(nextHop(from, status, { location: 'https://b.example/' }, settings)).toMatchObject({
        method: 'GET',
        body: undefined,
      });
    }
    for (const status of [307, 308]) {
      expect(nextHop(from, status, { location: '/y' }, settings)).toMatchObject({ method: 'POST', body: 'body' });
      expect(() => nextHop(from, status, { location: 'https://b.example/' }, settings)).toThrow(
        'redirects what is sent',
      );
    }
    expect(nextHop(hop('https://a.example/x', 'HEAD'), 303, { location: '/y' }, settings)?.method).toBe('HEAD');
    for (const status of [200, 206, 300, 304, 305, 404]) {
      expect(nextHop(from, status, { location: '/y' }, settings)).toBeUndefined();
    }
  });
});

describe('where a redirect leads', () => {
  it('is remembered: further ranges ask the store at once', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    const client = quickClient();
    const facts = await client.describe(server.url('a.bin'));
    for (let n = 0; n < 5; n++) await read(client, facts, n, n + 100);
    expect(server.log.map(({ method, store }) => `${method} ${store ? 'store' : 'front'}`)).toEqual([
      'HEAD front',
      'HEAD store',
      ...Array.from({ length: 5 }, () => 'GET store'),
    ]);
    await client.close();
  });

  it('is asked for anew once its signature has expired, in the middle of a body, too', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true, uses: 2 });
    const client = quickClient({ retries: 0 });
    const facts = await client.describe(server.url('a.bin'));
    for (let n = 0; n < 6; n++) {
      expect((await read(client, facts, n, n + 1000)).equals(FILE.subarray(n, n + 1000))).toBe(true);
    }
    expect(server.log.filter(({ status }) => status === 403)).toHaveLength(3);
    await client.close();
    const patient = quickClient();
    server.inject({ kind: 'cut', after: 50_000, times: 4 });
    expect((await read(patient, facts)).equals(FILE)).toBe(true);
    await patient.close();
  });

  it('that is refused although it is new is not asked for ever', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    const client = quickClient();
    const facts = await client.describe(server.url('a.bin'));
    server.log.length = 0;
    server.inject({ kind: 'status', status: 403, times: 100, match: /store/ });
    expect((await failure(read(client, facts))).code).toBe('FORBIDDEN');
    // the remembered one, and three new ones
    expect(server.log.filter(({ store }) => store)).toHaveLength(4);
    await client.close();
  });

  it('may change its validator, as long as the file keeps the one that it has by its own address', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE }, { store: true });
    const client = quickClient();
    const facts = await client.describe(server.url('a.bin'));
    server.inject({ kind: 'etag', value: '"moved"' });
    expect((await read(client, facts, 0, 10)).equals(FILE.subarray(0, 10))).toBe(true);
    server.replace('a.bin', noise(FILE.length, 2));
    expect((await failure(read(client, facts, 0, 10))).code).toBe('INPUT_CHANGED');
    await client.close();
  });
});

describe('RedirectMemory', () => {
  const target = (n: number) => ({ url: `https://store.example/${n}`, etag: undefined, content: undefined });

  it('keeps those that were used last, so many of them', () => {
    const memory = new RedirectMemory();
    for (let n = 0; n < 1024; n++) memory.set(`${n}`, target(n));
    expect(memory.get('0', undefined)).toEqual(target(0));
    memory.set('1024', target(1024));
    expect(memory.get('0', undefined)).toEqual(target(0));
    expect(memory.get('1', undefined)).toBeUndefined();
    memory.forget('0');
    expect(memory.get('0', undefined)).toBeUndefined();
  });

  it('keeps no address without bound, and gives none that is of another version', () => {
    const memory = new RedirectMemory();
    memory.set('long', { ...target(1), url: `https://store.example/${'x'.repeat(9000)}` });
    expect(memory.get('long', undefined)).toBeUndefined();
    memory.set('b', { ...target(1), content: '"1"' });
    expect(memory.get('b', '"1"')).toBeUndefined();
    memory.set('a', { ...target(1), etag: '"store"', content: '"1"' });
    expect(memory.get('a', '"2"')).toBeUndefined();
    expect(memory.get('a', '"1"')?.content).toBe('"1"');
  });
});
