import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Fault, misbehavingServer, type ServerOptions } from '../../support/misbehavingServer.ts';
import { startScript } from '../../support/sluice.ts';
import { failure, noise, quickClient } from './helpers.ts';

const FILE = noise(300_000);
const fixtures = path.join(import.meta.dirname, '../../fixtures/http');

async function run(way: string, options: ServerOptions, fault?: Fault, env: Record<string, string> = {}) {
  await using server = await misbehavingServer({ 'a.bin': FILE }, options);
  if (fault !== undefined) server.inject(fault);
  const url = server.url('a.bin');
  const { child, ended } = startScript(path.join(fixtures, 'readMain.ts'), [way, url, String(FILE.length)], { env });
  const done = new Promise<number>((resolve) => child.stdout.on('data', () => resolve(performance.now())));
  const result = await ended;
  return { ...result, exitMs: performance.now() - (await done) };
}

describe('a process', () => {
  const stalls: Fault = { kind: 'stall', after: 1000, times: 9 };
  it.each([
    ['whole,left,failed,whole', undefined],
    ['left', stalls],
    ['aborted', stalls],
    ['aborted', { kind: 'silent', times: 9 }],
    ['aborted', { kind: 'status', status: 503, retryAfter: 60, times: 9 }],
  ] as [string, Fault | undefined][])('ends by itself when it has nothing more to do (%s, %j)', async (way, fault) => {
    const { code, stdout, stderr, exitMs } = await run(way, {}, fault);
    expect({ code, stderr, done: stdout.slice(0, 4) }).toEqual({ code: 0, stderr: '', done: 'done' });
    expect(exitMs).toBeLessThan(1000);
  });
});

describe('TLS', () => {
  it('is spoken with servers that are trusted', async () => {
    const key = await readFile(path.join(fixtures, 'key.pem'), 'utf8');
    const certificate = path.join(fixtures, 'certificate.pem');
    const tls = { key, cert: await readFile(certificate, 'utf8') };
    const { stdout } = await run(
      'whole',
      { tls },
      { kind: 'cut', after: 50_000 },
      { NODE_EXTRA_CA_CERTS: certificate },
    );
    expect(stdout).toBe(`done ${FILE.length}\n`);
  });

  it('is refused with others at once', async () => {
    const key = await readFile(path.join(fixtures, 'key.pem'), 'utf8');
    const tls = { key, cert: await readFile(path.join(fixtures, 'certificate.pem'), 'utf8') };
    await using server = await misbehavingServer({ 'a.bin': FILE }, { tls });
    const client = quickClient();
    const error = await failure(client.request(server.url('a.bin')));
    expect(error).toMatchObject({ code: 'TLS', message: expect.stringMatching(/DEPTH_ZERO_SELF_SIGNED_CERT\)$/) });
    expect(server.connections()).toBe(1);
    await client.close();
  });
});
