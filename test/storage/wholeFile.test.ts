import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { parquet } from '../../src/sources/index.ts';
import { HttpClient } from '../../src/storage/http/client.ts';
import { foundFile, openHttp } from '../../src/storage/http/openHttp.ts';
import { wholeFile } from '../../src/storage/wholeFile.ts';
import { readAll, temporaryFolder, text } from '../sources/helpers.ts';
import { type MisbehavingServer, misbehavingServer } from '../support/misbehavingServer.ts';

const before = process.env['SLUICE_CACHE'];
afterEach(() => {
  if (before === undefined) delete process.env['SLUICE_CACHE'];
  else process.env['SLUICE_CACHE'] = before;
});

async function serve(bytes: Uint8Array, options = {}): Promise<MisbehavingServer> {
  const server = await misbehavingServer({ 'x.parquet': bytes }, options);
  onTestFinished(() => server.close());
  return server;
}

describe('files that are fetched whole before they are read', () => {
  it('come from servers that hand out no ranges, and are fetched once', async () => {
    process.env['SLUICE_CACHE'] = temporaryFolder();
    const rows = Array.from({ length: 3000 }, (_, n) => `row ${n} ${randomBytes(400).toString('hex')}`);
    const columnData = [{ name: 'text', data: rows, type: 'STRING' as const }];
    const server = await serve(new Uint8Array(parquetWriteBuffer({ codec: 'UNCOMPRESSED', columnData })), {
      noRanges: true,
    });
    const http = { endpoints: [server.origin], backoff: { firstMs: 1, mostMs: 2 } };
    const streamed = parquet(server.url('x.parquet'), { remote: { http } });
    await expect(readAll(streamed)).rejects.toMatchObject({
      code: 'NO_RANGES',
      hint: expect.stringContaining('cache'),
    });
    const cached = () => parquet(server.url('x.parquet'), { remote: { http, cache: true } });
    const served = server.served();
    expect((await readAll(cached())).records.map(text)).toEqual(rows);
    const whole = server.served() - served;
    expect((await readAll(cached())).records.map(text)).toEqual(rows);
    expect(server.served() - served).toBe(whole);
  });

  it('are gone on with where they were broken off, by one reader of several', async () => {
    const bytes = randomBytes(500_000);
    const server = await serve(bytes);
    const client = new HttpClient({ endpoints: [server.origin] });
    const folder = join(temporaryFolder(), 'files');
    const file = foundFile(await client.describe(server.url('x.parquet')));
    // The name that it will have, from a first fetch.
    await (await wholeFile(file, openHttp(client, file), folder)).close();
    const [name = ''] = readdirSync(folder);
    const other = join(temporaryFolder(), 'files');
    mkdirSync(other);
    writeFileSync(join(other, `${name}.incomplete`), bytes.subarray(0, 400_000));
    const served = server.served();
    const opened = await Promise.all([1, 2, 3].map(() => wholeFile(file, openHttp(client, file), other)));
    for (const open of opened) {
      expect(Buffer.compare(await open.read(0, bytes.length), bytes)).toBe(0);
      await open.close();
    }
    expect(server.served() - served).toBe(100_000);
    expect(readdirSync(other)).toEqual([name]);
    await client.close();
  });

  it('are no use to later processes where nothing tells one version from the next', async () => {
    const bytes = randomBytes(1000);
    const server = await serve(bytes, { etag: 'none', modified: null });
    const client = new HttpClient({ endpoints: [server.origin] });
    const folder = join(temporaryFolder(), 'files');
    const file = foundFile(await client.describe(server.url('x.parquet')));
    const whole = async (): Promise<Uint8Array> => {
      const open = await wholeFile(file, openHttp(client, file), folder);
      const read = await open.read(0, file.size);
      await open.close();
      return read;
    };
    expect(Buffer.compare(await whole(), bytes)).toBe(0);
    const [name = ''] = readdirSync(folder);
    const served = server.served();
    await whole();
    expect(server.served()).toBe(served);
    // As an earlier process would have left them.
    const place = join(folder, name);
    utimesSync(place, 0, 0);
    writeFileSync(`${place}.incomplete`, randomBytes(400));
    server.replace('x.parquet', bytes.toReversed());
    expect(Buffer.compare(await whole(), bytes.toReversed())).toBe(0);
    await client.close();
  });

  it('that the disk refuses are told as such', async () => {
    const server = await serve(randomBytes(10));
    const client = new HttpClient({ endpoints: [server.origin] });
    const folder = join(temporaryFolder(), 'files');
    writeFileSync(folder, '');
    const file = foundFile(await client.describe(server.url('x.parquet')));
    await expect(wholeFile(file, openHttp(client, file), folder)).rejects.toMatchObject({
      name: 'OutputError',
      path: folder,
    });
    await client.close();
  });
});
