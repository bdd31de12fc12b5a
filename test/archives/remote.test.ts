import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openArchive } from '../../src/archives/archiveIndex.ts';
import type { Document } from '../../src/records.ts';
import { type Source, tar, webdataset, zip } from '../../src/sources/index.ts';
import type { FoundFile } from '../../src/sources/walk.ts';
import type { RemoteOptions } from '../../src/storage/remoteOptions.ts';
import { Stores } from '../../src/storage/stores.ts';
import { readAll, tarOf } from '../sources/helpers.ts';
import { zipOf } from '../sources/zipOf.ts';
import { noise } from '../storage/http/helpers.ts';
import { type Fault, misbehavingServer } from '../support/misbehavingServer.ts';
import { all, temporaryFolder } from './helpers.ts';

const remote: RemoteOptions = { http: { allowPrivate: true, stallMs: 300, backoff: { firstMs: 1, mostMs: 4 } } };

const members = Array.from({ length: 40 }, (_, n) => ({
  name: `${n >> 1}.${['jpg', 'txt'][n % 2]}`,
  content: noise(9000 * n, n),
}));
const plain = await tarOf(members);
const files = {
  '000.tar': plain,
  '001.tar': plain,
  'x.tar.gz': gzipSync(plain),
  'x.zip': zipOf(members.map((member, n) => ({ ...member, method: [0, 8, 93][n % 3] ?? 0 }))),
};

const faults: readonly Fault[] = [
  { kind: 'status', status: 503 },
  { kind: 'cut', after: 70_000 },
  { kind: 'reset' },
  { kind: 'short', by: 1000 },
  { kind: 'chunked', after: 100_000 },
];

const sources: readonly (readonly [name: string, archives: number, source: (url: string) => Source<Document>])[] = [
  ['x.tar.gz', 1, (url) => tar(url, { remote })],
  ['000.tar', 1, (url) => tar(url, { remote })],
  ['x.zip', 1, (url) => zip(url, { remote })],
  ['{000..001}.tar', 2, (url) => webdataset(url, { remote })],
];

describe('an archive at a URL', () => {
  it.each(sources)(
    '(%s) is read like one of this machine, whatever the server does',
    async (name, archives, source) => {
      await using server = await misbehavingServer(files);
      const url = `${server.origin}/${name}`;
      server.inject(...faults);
      const { records, rejects } = await readAll(source(url), 300_000);
      expect(rejects).toEqual([]);
      expect(records).toHaveLength(members.length * archives);
      for (const [n, { bytes, source: place }] of records.entries()) {
        const member = members[n % members.length];
        expect(place.position.member).toBe(member?.name);
        expect(Buffer.compare(bytes, member?.content ?? new Uint8Array(0))).toBe(0);
      }
    },
  );

  it.each(['x.tar.gz', '000.tar', 'x.zip'] as const)('(%s) is fetched once for its index', async (name) => {
    await using server = await misbehavingServer(files);
    const stores = new Stores(remote);
    const [found] = await all<FoundFile>(stores.list(server.url(name)));
    if (found === undefined) throw new Error('it was not found');
    const file = await stores.open(found);
    onTestFinished(() => file.close());
    const cache = join(temporaryFolder(), 'cache');
    const size = files[name].length;
    const index = await openArchive(file, { cache });
    expect(server.served()).toBeLessThan(size * 1.02 + 100);
    const before = server.served();
    const again = await openArchive(file, { cache });
    expect(server.served()).toBe(before);
    server.inject(...faults);
    for (const { name: member, content } of [...members].reverse()) {
      expect(Buffer.compare(await again.read(member), content)).toBe(0);
      expect(Buffer.concat(await all(again.stream(member))).equals(content)).toBe(true);
    }
    if (name === 'x.tar.gz') expect(server.served()).toBe(before);
    await index.close();
    await again.close();
  });
});
