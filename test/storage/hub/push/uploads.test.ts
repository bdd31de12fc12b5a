import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpSettings } from '../../../../src/storage/http/settings.ts';
import { Uploads } from '../../../../src/storage/hub/push/uploads.ts';
import { loopback, QUICK } from '../helpers.ts';

const bytes = Buffer.alloc(100_000, 'bytes of a file ');
const file = new Blob([bytes]);
const sha256 = createHash('sha256').update(bytes).digest('hex');

function uploads(settings: HttpSettings = {}): Uploads {
  const made = new Uploads({ ...QUICK, ...settings });
  onTestFinished(() => made.close());
  return made;
}

describe('an upload', () => {
  it('goes to the public network, or to what was configured', async () => {
    const hub = await loopback({});
    const target = `${hub.cdnUrl}/upload/${sha256}?generation=1`;
    await expect(uploads().put(target, file, undefined)).rejects.toMatchObject({ code: 'PRIVATE_ADDRESS' });
    expect(hub.log).toEqual([]);
    expect(await uploads({ endpoints: [hub.cdnUrl] }).put(target, file, undefined)).toBe(`"${sha256}"`);
    const headers = (): Record<string, string> => ({ authorization: 'Bearer hf_secret' });
    await uploads({ allowPrivate: true, headers }).put(target, file, undefined);
    expect(hub.log.map(({ authorised }) => authorised)).toEqual([false, false]);
  });

  it('is not redirected, and shows no signature when it is refused', async () => {
    const hub = await loopback({});
    const target = `${hub.cdnUrl}/upload/${sha256}?generation=7`;
    await expect(uploads({ allowPrivate: true }).put(target, file, undefined)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.not.stringContaining('generation'),
    });
    hub.fault({ kind: 'redirect', location: '/elsewhere' });
    await expect(uploads({ allowPrivate: true }).put(target, file, undefined)).rejects.toMatchObject({
      code: 'BAD_REDIRECT',
    });
  });

  /** A store of its own, and the address that it takes files at. */
  async function store(take: RequestListener): Promise<string> {
    const server = createServer(take);
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  }

  it('is given up where the store takes nothing, or takes it and says nothing', async () => {
    const patient = uploads({ allowPrivate: true, stallMs: 100, retries: 0 });
    const large = new Blob([Buffer.alloc(16 << 20)]);
    for (const take of [() => {}, (request: IncomingMessage) => void request.resume()]) {
      await expect(patient.put(await store(take), large, undefined)).rejects.toMatchObject({ code: 'STALLED' });
    }
  });

  it('may take its time as long as the store takes more', async () => {
    const target = await store(async (request, response) => {
      let taken = 0;
      for await (const chunk of request) {
        const before = taken;
        taken += (chunk as Buffer).length;
        if (taken >> 22 > before >> 22) await sleep(80);
      }
      response.end();
    });
    const patient = uploads({ allowPrivate: true, stallMs: 250, retries: 0 });
    const before = performance.now();
    await patient.put(target, new Blob([Buffer.alloc(32 << 20)]), undefined);
    expect(performance.now() - before).toBeGreaterThan(500);
  });

  it('tells of a file that cannot be read, at once', async () => {
    const hub = await loopback({});
    const broken = Object.assign(new Blob(['x']), {
      stream: () => {
        throw Object.assign(new Error('ENOENT: it is gone'), { code: 'ENOENT' });
      },
    });
    const target = `${hub.cdnUrl}/upload/${sha256}?generation=1`;
    await expect(uploads({ allowPrivate: true }).put(target, broken, undefined)).rejects.toMatchObject({
      code: 'UNREADABLE',
      message: expect.stringContaining('it is gone'),
    });
  });
});
