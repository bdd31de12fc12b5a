import { afterEach, describe, expect, it, vi } from 'vitest';
import { DecoderPool } from '../../src/decoders/decoderPool.ts';
import { decoderEnvironment } from '../../src/decoders/environment.ts';
import { settledLimits } from '../../src/decoders/limits.ts';
import { decoderModule } from '../support/decoders.ts';

interface Seen {
  readonly own: Readonly<Record<string, string>>;
  /** What a program says that the decoder has started. */
  readonly started: string;
  /** A time without a zone. */
  readonly zone: string;
}

async function seen(): Promise<Seen> {
  const pool = new DecoderPool(settledLimits({ processes: 1 }));
  const task = { module: decoderModule('environment'), bytes: new Uint8Array(0), facts: {} };
  try {
    return (await pool.run(task, (decoded) => decoded.read())) as Seen;
  } finally {
    await pool.close();
  }
}

afterEach(() => vi.unstubAllEnvs());

describe('the environment of decoders', () => {
  it('has none of the tokens of a run', async () => {
    for (const name of ['HF_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'FFREPORT', 'SOMETHING_ELSE'])
      vi.stubEnv(name, 'secret-1234');
    vi.stubEnv('LD_LIBRARY_PATH', '/opt/lib');
    const { own, started } = await seen();
    expect(own).toMatchObject({ PATH: process.env['PATH'], LD_LIBRARY_PATH: '/opt/lib' });
    expect(JSON.stringify(own)).not.toContain('secret-1234');
    expect(started).toContain('LD_LIBRARY_PATH=/opt/lib');
    expect(started).not.toContain('secret-1234');
  });

  it('has the same zone and language everywhere', async () => {
    vi.stubEnv('TZ', 'Asia/Tokyo');
    vi.stubEnv('LC_ALL', 'de_DE.UTF-8');
    const { own, zone } = await seen();
    expect(zone).toBe('2024-07-01T12:00:00.000Z');
    expect(own).toMatchObject({ TZ: 'UTC', LC_ALL: 'C.UTF-8' });
  });

  it('leaves out what is not set', () => {
    expect(decoderEnvironment({ PATH: '/bin', EMPTY: '', HOME: undefined })).toEqual({
      PATH: '/bin',
      TZ: 'UTC',
      LC_ALL: 'C.UTF-8',
    });
  });
});
