import { expect, it } from 'vitest';
import { withoutPackage } from '../../../support/withoutPackage.ts';
import { expected, fixture, pixels, refusal } from './support.ts';

it('without sharp, bitmaps are decoded, and other pictures are rejected with what to install', async () => {
  withoutPackage('sharp');
  expect(await refusal(fixture('rgb8.png'), 'image/png')).toMatchObject({
    code: 'UNDECODED',
    hint: 'npm install sharp',
  });
  expect(await pixels(fixture('rgb24.bmp'), 'image/bmp')).toEqual(expected('rgb24.bmp'));
});
