import { describe, expect, it } from 'vitest';
import { foundFile, openHttp } from '../../../src/storage/http/openHttp.ts';
import { misbehavingServer } from '../../support/misbehavingServer.ts';
import { collect, failure, noise, quickClient } from './helpers.ts';

const FILE = noise(1_000_000);

describe('a file at a URL', () => {
  it('is read and streamed like one of this machine, in buffers of their own', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient();
    const found = foundFile(await client.describe(server.url('a.bin')));
    expect(found).toMatchObject({ location: server.url('a.bin'), uri: server.url('a.bin'), size: FILE.length });
    const file = openHttp(client, { ...found, uri: 'a.bin' });
    expect(file.uri).toBe('a.bin');
    expect(file.local).toBeUndefined();
    server.inject({ kind: 'cut', after: 70_000 });
    const bytes = await file.read(1000, 200_000);
    expect(Buffer.compare(bytes, FILE.subarray(1000, 200_000))).toBe(0);
    expect(bytes.buffer.byteLength).toBe(bytes.length);
    expect(await file.read(5, 5)).toHaveLength(0);

    const sizes: number[] = [];
    const streamed: Uint8Array[] = [];
    server.inject({ kind: 'chunked', after: 300_001 });
    for await (const chunk of file.stream(7, 900_000)) {
      sizes.push(chunk.length);
      streamed.push(Uint8Array.from(chunk));
      // whoever gets it may hand it to another thread
      structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] });
    }
    expect(Buffer.concat(streamed).equals(FILE.subarray(7, 900_000))).toBe(true);
    expect(sizes).toEqual([262_144, 262_144, 262_144, 900_000 - 7 - 3 * 262_144]);
    expect(await collect(file.stream(9, 9))).toHaveLength(0);
    await file.close();
    await client.close();
  });

  it('is noticed to be another one, by its validator or by the time of its change', async () => {
    for (const etag of ['strong', 'weak'] as const) {
      await using server = await misbehavingServer({ 'a.bin': FILE }, { etag });
      const client = quickClient();
      const found = foundFile(await client.describe(server.url('a.bin')));
      expect(found.mtimeMs).toBe(etag === 'strong' ? undefined : Date.UTC(2024, 0, 1));
      expect(await openHttp(client, found).read(0, 10)).toEqual(Buffer.from(FILE.subarray(0, 10)));
      const other = etag === 'strong' ? { ...found, etag: '"other"' } : { ...found, mtimeMs: 5000 };
      expect((await failure(openHttp(client, other).read(0, 10))).code).toBe('INPUT_CHANGED');
      await client.close();
    }
  });

  it('is the same file however its server writes the time of its last change', async () => {
    for (const modified of ['Mon, 1 Jan 2024 00:00:00 GMT', 'Monday, 01-Jan-24 00:00:00 GMT', 'no time at all']) {
      await using server = await misbehavingServer({ 'a.bin': FILE }, { etag: 'none', modified });
      const client = quickClient();
      const found = foundFile(await client.describe(server.url('a.bin')));
      expect(await openHttp(client, found).read(0, 10)).toEqual(Buffer.from(FILE.subarray(0, 10)));
      await client.close();
    }
  });

  it('allocates nothing for bytes that it does not have', async () => {
    const client = quickClient();
    const file = openHttp(client, { location: 'http://127.0.0.1:1/', uri: 'a', size: 10 });
    expect((await failure(file.read(0, 2 ** 40))).code).toBe('BAD_RANGE');
    expect((await failure(collect(file.stream(11, 12)))).code).toBe('BAD_RANGE');
  });

  it('ends its reads when it is closed, and when its signal is aborted', async () => {
    await using server = await misbehavingServer({ 'a.bin': FILE });
    const client = quickClient({ stallMs: 60_000 });
    const found = foundFile(await client.describe(server.url('a.bin')));
    const controller = new AbortController();
    server.inject({ kind: 'silent', times: 2 });
    const file = openHttp(client, found);
    const other = openHttp(client, found, controller.signal);
    const closed = expect(file.read(0, 10)).rejects.toThrow(/abort/i);
    const aborted = expect(other.read(0, 10)).rejects.toThrow('enough');
    await file.close();
    controller.abort(new Error('enough'));
    await closed;
    await aborted;
    await client.close();
  });
});
