import type { lookup } from 'node:dns';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { guardedLookup, RefusedAddress, refusedAddress } from '../../../src/storage/http/addresses.ts';
import { misbehavingServer } from '../../support/misbehavingServer.ts';
import { failure, quickClient } from './helpers.ts';

describe('addresses that data must not lead to', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['10.1.2.3', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['169.254.169.254', 'linkLocal'],
    ['100.64.0.1', 'carrierGradeNat'],
    ['100.127.255.255', 'carrierGradeNat'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['192.0.2.1', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['240.0.0.1', 'reserved'],
    ['[::]', 'unspecified'],
    ['[::1]', 'loopback'],
    ['[fe80::1]', 'linkLocal'],
    ['[fc00::1]', 'uniqueLocal'],
    ['[fd12:3456::1]', 'uniqueLocal'],
    ['[ff02::1]', 'multicast'],
    ['[::ffff:127.0.0.1]', 'ipv4Mapped'],
    ['[::ffff:8.8.8.8]', 'ipv4Mapped'],
    ['[::7f00:1]', 'reserved'],
    ['[64:ff9b::7f00:1]', 'rfc6052'],
    ['[64:ff9b:1::a00:1]', 'rfc6052'],
    ['[2002:7f00:1::]', '6to4'],
    ['[2001:0:4136::1]', 'teredo'],
    ['[2001:db8::1]', 'reserved'],
    ['[4000::1]', 'reserved'],
  ])('%s is %s', (address, kind) => {
    expect(refusedAddress(address)).toBe(kind);
  });

  it.each(['8.8.8.8', '100.63.255.255', '100.128.0.1', '172.15.0.1', '172.32.0.1', '[2606:4700::1111]', 'example.org'])(
    '%s may be asked',
    (address) => {
      expect(refusedAddress(address)).toBeUndefined();
    },
  );

  it('stay refused however they are written', async () => {
    const client = quickClient({ allowPrivate: false });
    for (const host of ['127.1', '2130706433', '0x7f.0.0.1', '0177.0.0.1', '127.0.0.1.', '[::FFFF:7f00:1]', '0']) {
      const error = await failure(client.request(`http://${host}/`));
      expect(error.code, host).toBe('PRIVATE_ADDRESS');
    }
  });
});

/** A resolver that gives these answers in turn. */
function resolver(...answers: string[][]): typeof lookup {
  const give = (_name: string, _options: unknown, callback: (error: null, addresses: object[]) => void): void => {
    const addresses = answers.shift() ?? [];
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return give as typeof lookup;
}

const resolved = (resolve: typeof lookup, all: boolean): Promise<unknown> =>
  new Promise((done, fail) => {
    guardedLookup(resolve)('name.example', { all }, (error, address) => (error === null ? done(address) : fail(error)));
  });

describe('names', () => {
  it('lead to public addresses alone, also where a name has several', async () => {
    expect(await resolved(resolver(['8.8.8.8', '127.0.0.1']), true)).toEqual([{ address: '8.8.8.8', family: 4 }]);
    expect(await resolved(resolver(['::1', '8.8.4.4']), false)).toBe('8.8.4.4');
    await expect(resolved(resolver(['10.0.0.1', '::1']), true)).rejects.toThrow(RefusedAddress);
  });

  it('are checked where the socket connects: one that changes its address gains nothing', async () => {
    await using server = await misbehavingServer({});
    const port = Number(new URL(server.origin).port);
    const guarded = guardedLookup(resolver(['8.8.8.8'], ['127.0.0.1']));
    // somebody looked it up before, and it was public then
    await new Promise((done) => guarded('rebinding.example', { all: true }, done));
    const error = await new Promise((fail) => {
      connect({ host: 'rebinding.example', port, lookup: guarded }).on('error', fail).on('connect', fail);
    });
    expect(error).toBeInstanceOf(RefusedAddress);
  });

  it('of this machine are refused before a byte is sent', async () => {
    await using server = await misbehavingServer({ 'a.txt': Buffer.from('secret') });
    const url = server.url('a.txt').replace('127.0.0.1', 'localhost');
    const error = await failure(quickClient({ allowPrivate: false }).request(url));
    expect(error).toMatchObject({ code: 'PRIVATE_ADDRESS', path: url });
    expect(error.message).toMatch(/leads to (127\.0\.0\.1|::1), which is no public address \(loopback\)/);
    expect(error.hint).toMatch(/endpoints: \['http/);
    expect(server.log).toEqual([]);
  });

  it('of endpoints that were configured may be private, on their port alone', async () => {
    await using server = await misbehavingServer({ 'a.txt': Buffer.from('public') }, { store: true });
    const client = quickClient({ allowPrivate: false, endpoints: [`${server.storeOrigin}/`] });
    const error = await failure(client.request(server.url('a.txt')));
    expect(error.code).toBe('PRIVATE_ADDRESS');
    const both = quickClient({ allowPrivate: false, endpoints: [server.origin, server.storeOrigin] });
    expect(Buffer.from((await both.request(server.url('a.txt'))).body).toString()).toBe('public');
    await client.close();
    await both.close();
  });
});
