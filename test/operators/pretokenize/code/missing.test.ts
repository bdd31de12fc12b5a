import { expect, it } from 'vitest';
import { withoutPackage } from '../../../support/withoutPackage.ts';
import { cut } from './support.ts';

it('code whose grammar is not installed is refused, with what to install, and can be taken whole', async () => {
  withoutPackage('tree-sitter-wasms');
  await expect(cut('fn f() {}\n', 'rust')).rejects.toMatchObject({
    code: 'UNDECODED',
    hint: expect.stringContaining('npm install @repomix/tree-sitter-wasms'),
  });
  expect((await cut('fn f() {}\n', 'rust', { unit: 'file' }))[0]!.label).toBe('code_snippet');
});
