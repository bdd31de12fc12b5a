import { existsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { OutputError } from '../../src/errors.ts';
import { asDiskError } from '../../src/run/durable.ts';
import { makeFolder } from '../../src/run/makeFolder.ts';
import { temporaryFolder } from '../sinks/flow.ts';

describe('making a folder', () => {
  it('makes those it lies in, and tells the outermost that it made', async () => {
    const root = await temporaryFolder();
    const deep = path.join(root, 'a/b/c');
    expect(await makeFolder(deep)).toBe(path.join(root, 'a'));
    expect(statSync(deep).isDirectory()).toBe(true);
    expect(await makeFolder(deep)).toBeUndefined();
    expect(await makeFolder(path.join(deep, 'd'))).toBe(path.join(deep, 'd'));
    expect(await makeFolder(root)).toBeUndefined();
    expect(await makeFolder('/')).toBeUndefined();
  });

  it('can be asked for by several at once', async () => {
    const root = await temporaryFolder();
    const deep = path.join(root, 'a/b/c');
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(deep)));
    expect(existsSync(deep)).toBe(true);
  });

  it('fails where a file is in the way, and says so of an output', async () => {
    const file = path.join(await temporaryFolder(), 'rows.csv');
    writeFileSync(file, '');
    for (const [place, code] of [
      [file, 'EEXIST'],
      [path.join(file, 'out'), 'ENOTDIR'],
    ] as const) {
      const error = await makeFolder(place).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code });
      expect(asDiskError(error, place)).toMatchObject({
        name: 'OutputError',
        code: 'NO_FOLDER',
        message: 'the output folder cannot be made: there is a file of this name',
        hint: 'give another --output',
      });
    }
  });

  it('fails at once where the system lets nobody make one', async () => {
    const error = await makeFolder('/proc/nope/deeper').catch((reason: unknown) => reason);
    // Linux has a /proc that takes no folders; elsewhere nobody may make one
    expect(error).toMatchObject({ code: expect.stringMatching(/^(ENOENT|EACCES|EPERM|EROFS)$/), syscall: 'mkdir' });
    const nowhere = Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'mkdir', path: '/proc/nope' });
    expect(asDiskError(nowhere, '/proc/nope')).toMatchObject({ code: 'NO_FOLDER', hint: 'give another --output' });
  }, 1000);
});

describe('a disk that refuses', () => {
  it.each([
    ['EACCES', /mend the permission, or give another --output, then run the same command again/],
    ['ENOSPC', /make room or mend the permission, then run the same command again/],
  ])('%s says what helps', (code, hint) => {
    const error = asDiskError(Object.assign(new Error(`${code}: refused`), { code, syscall: 'open' }), '/out');
    expect(error).toBeInstanceOf(OutputError);
    expect(error).toMatchObject({ code, path: '/out', hint: expect.stringMatching(hint) });
  });
});
