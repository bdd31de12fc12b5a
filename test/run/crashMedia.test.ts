import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCode } from '../../src/run/exitCodes.ts';
import { verifyOutput } from '../../src/run/verify.ts';
import { isAlive, until } from '../support/decoders.ts';
import { startScript } from '../support/sluice.ts';
import { hashTree } from '../support/tree.ts';

const script = path.join(import.meta.dirname, '../fixtures/crash/run.ts');

let folder: string;
let undisturbed: Record<string, string>;
let steps: number;

const start = (output: string, env: Record<string, string> = {}) =>
  startScript(script, [path.join(folder, output), '', 'media.ts'], { env });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-crash-media-'));
  const first = await start('undisturbed', { SLUICE_COUNT_STEPS: '1' }).ended;
  expect(first.code, first.stderr).toBe(exitCode.rejects);
  steps = Number(/steps (\d+)/.exec(first.stderr)?.[1]);
  undisturbed = await hashTree(path.join(folder, 'undisturbed'));
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Decoder processes of a run. */
async function decodersOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const found: number[] = [];
  for (const child of children.split(' ').filter(Boolean)) {
    const command = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
    if (command.includes('decoderMain')) found.push(Number(child));
  }
  return found;
}

async function sameAfterResume(output: string): Promise<void> {
  const resumed = await start(output).ended;
  expect(resumed.code, `${output}: ${resumed.stderr}`).toBe(exitCode.rejects);
  expect(await hashTree(path.join(folder, output)), output).toEqual(undisturbed);
}

describe('a run over files of every kind', () => {
  it('is found sound, and accounts for each document', async () => {
    const output = path.join(folder, 'undisturbed');
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [] });
    const { totals } = JSON.parse(await readFile(path.join(output, 'manifest.json'), 'utf8'));
    expect(totals.views).toBeGreaterThan(5);
    expect(totals.rejects).toBeGreaterThan(3);
    expect(totals.records_read + totals.views).toBe(totals.documents + totals.rejects);
  });

  it('gives the same bytes after a resume, killed halfway', async () => {
    const killed = await start('halfway', { SLUICE_CRASH_AT: String(Math.round(steps / 2)) }).ended;
    expect(killed.signal, killed.stderr).toBe('SIGKILL');
    await sameAfterResume('halfway');
  });

  it('gives the same bytes after it was killed while decoders work, and none of them is left', async () => {
    const { child, ended } = start('decoding');
    const pid = child.pid ?? 0;
    let decoders: number[] = [];
    while (decoders.length < 2) {
      decoders = await decodersOf(pid);
      await wait(5);
    }
    // they have begun by then, or are about to
    await wait(400);
    child.kill('SIGKILL');
    await ended;
    await until(() => !decoders.some(isAlive));
    await sameAfterResume('decoding');
  });

  it('gives the same bytes where decoders are killed under its hands', async () => {
    const { child, ended } = start('killed');
    const killed = new Set<number>();
    while (killed.size < 2 && child.exitCode === null) {
      for (const decoder of await decodersOf(child.pid ?? 0)) {
        if (killed.size < 2 && !killed.has(decoder)) process.kill(decoder, 'SIGKILL');
        killed.add(decoder);
      }
      await wait(5);
    }
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(exitCode.rejects);
    expect(killed.size).toBeGreaterThan(1);
    expect(await hashTree(path.join(folder, 'killed'))).toEqual(undisturbed);
  });
});
