import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
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
});
