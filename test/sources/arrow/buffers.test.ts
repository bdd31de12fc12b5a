import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { arrow } from '../../../src/sources/index.ts';
import { withoutPackage } from '../../support/withoutPackage.ts';
import { readAll } from '../helpers.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/sources/${name}`, import.meta.url));

it('Arrow files compressed with LZ4 say which package they need', async () => {
  withoutPackage('lz4-napi');
  expect((await readAll(arrow(fixture('kinds-zstd.arrow')))).records).toHaveLength(100);
  await expect(readAll(arrow(fixture('kinds-lz4.feather')))).rejects.toMatchObject({
    name: 'SourceError',
    code: 'MISSING_PACKAGE',
    hint: expect.stringContaining('npm install lz4-napi'),
  });
});
