import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tarOf } from '../sources/helpers.ts';
import { temporaryFolder } from './helpers.ts';

const members = Array.from({ length: 3000 }, (_, n) => ({
  name: `${n}`,
  content: `${Math.imul(n, 2654435761)} `.repeat(200),
}));
const archive = gzipSync(await tarOf(members));
const content = members.reduce((sum, member) => sum + member.content.length, 0);

function child(...args: string[]): ChildProcess {
  const script = join(import.meta.dirname, '../fixtures/archives/openArchive.ts');
  return spawn(process.execPath, ['--conditions=sluice-source', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function outcome(process: ChildProcess): Promise<{ readonly read: number; readonly bytes: number }> {
  return JSON.parse(await text(process.stdout!)) as { read: number; bytes: number };
}

describe('an index that several processes need', () => {
  it('is made by one of them, and by another if that one is killed', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'x.tar.gz');
    writeFileSync(file, archive);
    const killed = child(file, folder, 'stop');
    await once(killed.stdout!, 'data');
    const waiting = [child(file, folder), child(file, folder), child(file, folder)].map(outcome);
    await new Promise((resolve) => setTimeout(resolve, 500));
    killed.kill('SIGKILL');
    const outcomes = await Promise.all(waiting);
    expect(outcomes.map(({ bytes }) => bytes)).toEqual([content, content, content]);
    expect(outcomes.map(({ read }) => read).toSorted((a, b) => a - b)).toEqual([0, 0, archive.length]);
    const [key = ''] = readdirSync(join(folder, 'archives'));
    expect(readdirSync(join(folder, 'archives', key)).filter((name) => !/\.pack$|^index$/.test(name))).toEqual([]);
  });
});
