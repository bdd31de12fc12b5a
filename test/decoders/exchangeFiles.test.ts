import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { giveBack, openExchange, readAt, writeAt } from '../../src/decoders/exchangeFiles.ts';
import { RESULTS_AT } from '../../src/decoders/protocol.ts';
import { decoderModule } from '../support/decoders.ts';

let folder: string;
const handles: FileHandle[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-exchange-'));
});

afterEach(async () => {
  await Promise.all(handles.splice(0).map((handle) => handle.close()));
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

/** Device and file system that the files lie on. */
async function opened(bytes: number, memory: string): Promise<{ files: FileHandle[]; device: number }> {
  const { tasks, results } = await openExchange(bytes, memory);
  handles.push(tasks, results);
  return { files: [tasks, results], device: (await results.stat()).dev };
}

const deviceOf = async (path: string): Promise<number> => {
  const handle = await open(path);
  handles.push(handle);
  return (await handle.stat()).dev;
};

describe('exchange files', () => {
  it('have no name, and room for the reason why a process was ended', async () => {
    const { files } = await opened(1000, folder);
    expect(readdirSync(folder)).toEqual([]);
    expect((await files[1]?.stat())?.nlink).toBe(0);
    expect((await files[1]?.stat())?.size).toBe(RESULTS_AT);
  });

  it.each([
    ['has no room for them', '/dev/shm', 2 ** 60],
    ['is missing', '/nowhere/at/all', 1000],
    ['is no folder that can be written to', '/proc', 0],
  ])('lie in the folder for temporary files where shared memory %s', async (_why, memory, bytes) => {
    expect((await opened(bytes, memory)).device).toBe(await deviceOf(tmpdir()));
  });

  it('give back what a large record took', async () => {
    const { files } = await opened(1000, folder);
    const [tasks] = files as [FileHandle];
    const bytes = new Uint8Array(20 << 20).fill(3);
    await writeAt(tasks, bytes, 0);
    expect(Buffer.from(await readAt(tasks, 5, 1000)).equals(bytes.subarray(0, 1000))).toBe(true);
    await giveBack(tasks, 1000);
    expect((await tasks.stat()).size).toBe(bytes.length);
    await giveBack(tasks, bytes.length);
    expect((await tasks.stat()).size).toBeLessThan(4096);
    await expect(readAt(tasks, 0, 5000)).rejects.toThrow('ends early');
  });

  it('that are full are no fault of the record: the process says so and can be used', async () => {
    const tasks = await open(join(folder, 'tasks'), 'w+');
    const full = await open('/dev/full', 'r+');
    handles.push(tasks, full);
    await writeAt(tasks, new Uint8Array(100), 0);
    const main = fileURLToPath(new URL('../../src/decoders/decoderMain.ts', import.meta.url));
    const child = fork(main, [JSON.stringify({ seconds: 10, memoryBytes: 1 << 30 })], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', tasks.fd, full.fd],
      detached: true,
    });
    try {
      expect(await once(child, 'message')).toMatchObject([{ kind: 'ready' }, undefined]);
      for (let n = 0; n < 2; n++) {
        child.send({ module: decoderModule('results'), facts: 'null', bytes: 100 });
        const [answer] = await once(child, 'message');
        expect(answer).toMatchObject({ kind: 'unusable', code: 'NO_ROOM', message: expect.stringContaining('ENOSPC') });
      }
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
});
