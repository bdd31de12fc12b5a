import { describe, expect, it } from 'vitest';
import { cardConfigs } from '../../../../src/storage/hub/dataset/card.ts';

const configs = (yaml: string) =>
  cardConfigs(`---\n${yaml}\n---\n# Title\n`, 'README.md').map(({ splits, ...config }) => ({
    ...config,
    splits: splits && Object.fromEntries(splits),
  }));

describe('the card of a dataset', () => {
  it('names files of splits in any of the ways that the Hub documents', () => {
    expect(
      configs(`
license: mit
configs:
- config_name: one
  data_files: "data.csv"
- config_name: list
  data_files: ["a.csv", b.csv]
- config_name: splits
  default: true
  data_files:
  - split: train
    path: "data/*.csv"
  - split: test
    path: [x.csv, y.csv]
- config_name: map
  data_dir: ./sub/folder/
  data_files: { train: x.csv }
- config_name: 2024
  data_dir: other
- config_name: no
  sep: "\\t"`),
    ).toEqual([
      { name: 'one', isDefault: false, folder: '', splits: { train: ['data.csv'] } },
      { name: 'list', isDefault: false, folder: '', splits: { train: ['a.csv', 'b.csv'] } },
      { name: 'splits', isDefault: true, folder: '', splits: { train: ['data/*.csv'], test: ['x.csv', 'y.csv'] } },
      { name: 'map', isDefault: false, folder: 'sub/folder', splits: { train: ['x.csv'] } },
      { name: '2024', isDefault: false, folder: 'other', splits: undefined },
      { name: 'no', isDefault: false, folder: '', splits: undefined },
    ]);
  });

  it.each([
    '',
    '# Title',
    '---\nlicense: mit\n---\n',
    '---\n---\n',
    '\n\ntext\n---\nconfigs: x\n---\n',
    '---\nconfigs:\n---\n',
    '---\n# nothing\n---\n',
  ])('says nothing of configurations in %j', (readme) => expect(cardConfigs(readme, 'README.md')).toEqual([]));

  it('may have Windows line ends, a byte-order mark and no text behind it', () => {
    const readme = '\ufeff---\r\nconfigs:\r\n- config_name: a\r\n---';
    expect(cardConfigs(readme, 'README.md')).toMatchObject([{ name: 'a' }]);
  });

  it.each([
    ['configs: [', /flow/i],
    ['configs: text', /configs/],
    ['configs:\n- data_files: x', /config_name/],
    ['configs:\n- config_name: a\n  data_files: [{ split: train }]', /data_files/],
    [
      'a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]',
      /alias/i,
    ],
  ])('is refused where it makes no sense: %j', (yaml, message) => {
    expect(() => configs(yaml)).toThrow(
      expect.objectContaining({ code: 'BAD_CARD', path: 'README.md', message: expect.stringMatching(message) }),
    );
  });

  it('takes little time, whatever it holds', () => {
    const begun = performance.now();
    const many = Array.from({ length: 30_000 }, (_, n) => `k${n}: 1`).join('\n');
    expect(configs(`${many}\nconfigs:\n- config_name: a`)).toMatchObject([{ name: 'a' }]);
    for (const yaml of [`a: ${'!!x '.repeat(30_000)}`, `a: ${'{b: '.repeat(30_000)}`, `a: ${'['.repeat(30_000)}`]) {
      expect(() => configs(yaml)).toThrow(expect.objectContaining({ code: 'BAD_CARD' }));
    }
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it('that is refused names the line', () => {
    expect(() => configs('a: 1\nb: [\nc: "')).toThrow(
      expect.objectContaining({ message: expect.stringContaining('(line 4)') }),
    );
  });
});
