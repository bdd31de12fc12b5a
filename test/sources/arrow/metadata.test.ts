import { expect, it } from 'vitest';
import { withoutPackage } from '../../support/withoutPackage.ts';

it('Arrow files say which package they need', async () => {
  withoutPackage('apache-arrow');
  // What was loaded once is kept, so this must be the first to ask.
  const { arrowMetadata } = await import('../../../src/sources/arrow/metadata.ts');
  await expect(arrowMetadata()).rejects.toMatchObject({
    name: 'SourceError',
    code: 'MISSING_PACKAGE',
    hint: 'npm install apache-arrow flatbuffers',
  });
});
