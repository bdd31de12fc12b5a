import { describe, expect, it } from 'vitest';
import { attach } from '../../../src/operators/attach.ts';
import { tarOf } from '../../sources/helpers.ts';
import { startS3 } from '../../support/s3/server.ts';
import { impatient, row, shown, through } from './flow.ts';

describe('objects of S3', () => {
  it('are fetched once from buckets that are allowed, or that the rows came from', async () => {
    const s3 = await startS3();
    await s3.put('images/a.png', 'A');
    await s3.put('images/b (1).png', 'B');
    const remote = { s3: s3.options };
    const named = impatient({ text: false, remote, hosts: ['s3://bucket'] });
    const rows = [row(0, ['s3://bucket/images/a.png', 's3://bucket/images/a.png', 's3://bucket/images/none.png'])];
    const first = await through(attach(named), rows);
    expect(shown(first)).toEqual(['r0#image/0 s3://bucket/images/a.png A', 'r0#image/1 s3://bucket/images/a.png A']);
    expect(first.rejects).toMatchObject([{ code: 'MISSING_REFERENCE' }]);

    const others = ['s3://elsewhere/images/a.png', 's3://bucket/images/*.png', 's3://bucket/images/b (1).png'];
    const refused = await through(attach(named), [row(0, others)]);
    expect(refused.rejects.map(({ code }) => code)).toEqual(['HOST_NOT_ALLOWED', 'BAD_REFERENCE', 'BAD_REFERENCE']);

    const own = await through(attach(impatient({ text: false, remote })), [row(0, 'images/a.png', 's3://bucket')]);
    expect(shown(own)).toEqual(['r0#image/0 s3://bucket/images/a.png A']);
  });

  it('may be archives', async () => {
    const s3 = await startS3();
    await s3.put('raw/x.tar', await tarOf([{ name: 'a.png', content: 'A' }]));
    const options = impatient({
      text: false,
      remote: { s3: s3.options },
      archives: [{ prefix: 'images/', archives: 's3://bucket/raw/x.tar' }],
    });
    expect(shown(await through(attach(options), [row(0, 'images/a.png')]))).toEqual([
      'r0#image/0 s3://bucket/raw/x.tar!/a.png A',
    ]);
  });
});
