import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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

  it('is given up where the store takes it and says nothing', async () => {
    const silent = createServer((request) => request.resume());
    onTestFinished(() => {
      silent.close();
      silent.closeAllConnections();
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const target = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/x`;
    const patient = uploads({ allowPrivate: true, stallMs: 100, retries: 0 });
    await expect(patient.put(target, file, undefined)).rejects.toMatchObject({ code: 'STALLED' });
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
