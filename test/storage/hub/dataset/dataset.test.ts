import { describe, expect, it, onTestFinished } from 'vitest';
import { type DatasetFiles, type DatasetOptions, datasetFiles } from '../../../../src/storage/hub/dataset/dataset.ts';
import { HubReader } from '../../../../src/storage/hub/reader.ts';
import type { Hub } from '../../../support/hub/hub.ts';
import type { RepositorySetup } from '../../../support/hub/repository.ts';
import { loopback, optionsFor, QUICK } from '../helpers.ts';

const CONVERTED = 'refs/convert/parquet';

type Tree = Record<string, string>;

/** A tree whose files hold their own names. */
const tree = (...paths: string[]): Tree => Object.fromEntries(paths.map((path) => [path, path]));

const card = (yaml: string): Tree => ({ 'README.md': `---\n${yaml}\n---\n` });

async function setUp(files: Tree, branches: Record<string, Tree> = {}): Promise<{ hub: Hub; reader: HubReader }> {
  const repository: RepositorySetup = { files, branches };
  const hub = await loopback({ repositories: { 'o/n': repository } });
  const reader = new HubReader({ hub: optionsFor(hub), http: QUICK });
  onTestFinished(() => reader.close());
  return { hub, reader };
}

async function find(
  files: Tree,
  options: DatasetOptions = {},
  branches: Record<string, Tree> = {},
): Promise<DatasetFiles> {
  return datasetFiles((await setUp(files, branches)).reader, 'o/n', options);
}

const paths = async (...args: Parameters<typeof find>): Promise<string[]> =>
  (await find(...args)).files.map(({ path }) => path);
const failure = async (...args: Parameters<typeof find>): Promise<unknown> =>
  find(...args).catch((error: unknown) => error);

const configs = card(`configs:
- config_name: en
  default: true
  data_files:
  - split: train
    path: en/train-*.parquet
  - split: test
    path: ["en/test.parquet"]
- config_name: de
  data_dir: de`);
const bilingual = {
  ...configs,
  ...tree(
    'en/train-1.parquet',
    'en/train-0.parquet',
    'en/test.parquet',
    'en/other.parquet',
    'de/train/b.jsonl',
    'de/test/a.jsonl',
  ),
};

describe('the files of a split', () => {
  it('are those that the card names, in the order of their paths, with hashes and commit', async () => {
    const { hub, reader } = await setUp(bilingual);
    const commit = hub.repository('o/n').at()?.id ?? '';
    const found = await datasetFiles(reader, 'o/n');
    expect(found).toMatchObject({ repository: 'o/n', commit, config: 'en', split: 'train', warnings: [] });
    const sha256 = hub.repository('o/n').at()?.files.get('en/train-0.parquet')?.sha256;
    expect(found.files[0]).toEqual({
      path: 'en/train-0.parquet',
      format: 'parquet',
      file: {
        location: `hf://datasets/o/n@${commit}/en/train-0.parquet`,
        uri: `hf://datasets/o/n@${commit}/en/train-0.parquet`,
        size: 18,
        etag: sha256,
      },
    });
    expect(found.files.map(({ path }) => path)).toEqual(['en/train-0.parquet', 'en/train-1.parquet']);
  });

  it('are those of the configuration and split that are asked for', async () => {
    expect(await paths(bilingual, { split: 'test' })).toEqual(['en/test.parquet']);
    expect(await find(bilingual, { config: 'de', split: 'test' })).toMatchObject({
      config: 'de',
      split: 'test',
      files: [{ path: 'de/test/a.jsonl', format: 'jsonl' }],
    });
  });

  it('are told by names where the card says nothing', async () => {
    const sharded = tree(
      'data/train-00001-of-00002.parquet',
      'data/train-00000-of-00002.parquet',
      'data/test-00000-of-00001.parquet',
    );
    expect(await paths({ ...card('license: mit'), ...sharded })).toEqual([
      'data/train-00000-of-00002.parquet',
      'data/train-00001-of-00002.parquet',
    ]);
    expect(await paths(tree('train.jsonl', 'validation.jsonl'), { split: 'validation' })).toEqual(['validation.jsonl']);
    expect(await find(tree('only-test.csv'))).toMatchObject({ config: 'default', split: 'test' });
    expect(await paths(tree('x.csv', '.hidden/y.csv', 'note.txt'))).toEqual(['x.csv']);
  });

  it('may be of a configuration that is a folder', async () => {
    const files = tree('wiki/train/a.parquet', 'books/train/a.parquet', 'data/news/train/a.parquet', 'train/x.parquet');
    expect(await paths(files, { config: 'books' })).toEqual(['books/train/a.parquet']);
    expect(await paths(files, { config: 'news' })).toEqual(['data/news/train/a.parquet']);
  });

  it('are in the order of bytes, whatever the language', async () => {
    expect(await paths(tree('ä.csv', 'b.csv', 'B.csv', 'a/z.csv', 'a-.csv', '10.csv', '9.csv'))).toEqual([
      '10.csv',
      '9.csv',
      'B.csv',
      'a-.csv',
      'a/z.csv',
      'b.csv',
      'ä.csv',
    ]);
  });

  it('are Parquet where some are; else of the format that most have', async () => {
    expect(await find(tree('train.parquet', 'train.csv', 'train-1.csv'))).toMatchObject({
      files: [{ path: 'train.parquet' }],
      warnings: [expect.stringContaining("'train-1.csv' (2 in all)")],
    });
    expect(await find(tree('train-1.json', 'train-2.jsonl.gz', 'train-3.csv', 'train.txt'))).toMatchObject({
      files: [{ format: 'json' }, { format: 'jsonl' }],
      warnings: [expect.stringContaining('train-3.csv')],
    });
    expect(await find(tree('train.arrow'))).toMatchObject({ files: [{ format: 'arrow' }], warnings: [] });
  });

  it('may be named themselves, whatever card and splits say', async () => {
    expect(await find(bilingual, { files: 'en/*.parquet', split: 'none' })).toMatchObject({
      config: undefined,
      split: undefined,
      files: [
        { path: 'en/other.parquet' },
        { path: 'en/test.parquet' },
        { path: 'en/train-0.parquet' },
        { path: 'en/train-1.parquet' },
      ],
    });
    expect(await paths(bilingual, { files: ['de/**', 'en/train-1.parquet', 'en/train-1.parquet'] })).toEqual([
      'de/test/a.jsonl',
      'de/train/b.jsonl',
      'en/train-1.parquet',
    ]);
    expect(await paths(tree('a[1].csv', 'a1.csv'), { files: 'a[1].csv' })).toEqual(['a1.csv', 'a[1].csv']);
  });
});

describe("the Hub's Parquet copy", () => {
  const copy = {
    [CONVERTED]: tree('default/train/0001.parquet', 'default/train/0000.parquet', 'default/partial-test/0000.parquet'),
  };

  it('is read where the dataset has no Parquet of its own', async () => {
    const { hub, reader } = await setUp(tree('train.jsonl', 'test.jsonl'), copy);
    const found = await datasetFiles(reader, 'o/n');
    const repository = hub.repository('o/n');
    expect(found).toMatchObject({
      commit: repository.at()?.id,
      config: 'default',
      split: 'train',
      warnings: [expect.stringContaining(CONVERTED)],
    });
    expect(found.files.map(({ path, file }) => [path, file.location])).toEqual(
      ['default/train/0000.parquet', 'default/train/0001.parquet'].map((path) => [
        path,
        `hf://datasets/o/n@${repository.at(CONVERTED)?.id}/${path}`,
      ]),
    );
    expect(await paths(tree('train.parquet'), {}, copy)).toEqual(['train.parquet']);
  });

  it('is warned of where it is not whole', async () => {
    const { warnings, files } = await find(tree('train.jsonl', 'test.jsonl'), { split: 'test' }, copy);
    expect(files.map(({ path }) => path)).toEqual(['default/partial-test/0000.parquet']);
    expect(warnings).toEqual([
      expect.stringContaining('lag'),
      expect.stringContaining("only the first part of the split 'test'"),
    ]);
    const both = { [CONVERTED]: tree('default/partial-train/0000.parquet', 'default/train/0000.parquet') };
    expect(await find({}, {}, both)).toMatchObject({
      files: [{ path: 'default/train/0000.parquet' }],
      warnings: [expect.stringMatching(/lag/)],
    });
  });

  it('may have configurations that nothing else tells', async () => {
    const scripted = { [CONVERTED]: tree('wiki-2/train/0000.parquet', 'wiki-103/train/0000.parquet') };
    expect(await paths(tree('wiki.py', 'wiki.zip'), { config: 'wiki-103' }, scripted)).toEqual([
      'wiki-103/train/0000.parquet',
    ]);
    expect(await failure(tree('wiki.py'), {}, scripted)).toMatchObject({
      code: 'NO_CONFIG',
      hint: "Choose one with config: 'wiki-103', 'wiki-2'.",
    });
    expect(await failure(tree('wiki.py'), { config: 'wiki-3' }, scripted)).toMatchObject({
      code: 'NO_CONFIG',
      hint: "Did you mean 'wiki-2'?",
    });
    const one = { [CONVERTED]: tree('plain_text/train/0000.parquet') };
    expect(await find(tree('x.py'), {}, one)).toMatchObject({ config: 'plain_text', split: 'train' });
  });

  it('is one of the main branch alone', async () => {
    const branches = { ...copy, v1: tree('train.jsonl') };
    expect(await paths(tree('train.jsonl', 'more.txt'), { revision: 'v1' }, branches)).toEqual(['train.jsonl']);
    const { hub, reader } = await setUp(tree('train.jsonl'), copy);
    const { files } = await datasetFiles(reader, 'o/n', { revision: hub.repository('o/n').at()?.id });
    expect(files.map(({ path }) => path)).toEqual(['default/train/0000.parquet', 'default/train/0001.parquet']);
  });

  it('can be asked for itself', async () => {
    expect(await find(tree('train.parquet'), { revision: CONVERTED, split: 'test' }, copy)).toMatchObject({
      config: 'default',
      split: 'test',
      files: [{ path: 'default/partial-test/0000.parquet' }],
      warnings: [expect.stringContaining('first part')],
    });
    expect(await failure({}, { revision: CONVERTED, split: 'dev' }, copy)).toMatchObject({ code: 'NO_SPLIT' });
  });
});

describe('what cannot be found', () => {
  it.each<[string, Tree, DatasetOptions, object]>([
    ['a configuration', bilingual, { config: 'dd' }, { code: 'NO_CONFIG', hint: "Did you mean 'de'?" }],
    ['a split of the card', bilingual, { split: 'trian' }, { code: 'NO_SPLIT', hint: "Did you mean 'train'?" }],
    [
      'a split of names',
      tree('train.csv', 'test.csv'),
      { split: 'valid' },
      { code: 'NO_SPLIT', hint: "There are 'train', 'test'." },
    ],
    [
      'a split among several',
      tree('dev.csv', 'test.csv'),
      {},
      { code: 'NO_SPLIT', hint: "Choose one with split: 'validation', 'test'." },
    ],
    ['a folder', tree('a/x.csv'), { config: 'b' }, { code: 'NO_CONFIG' }],
    [
      'a file',
      bilingual,
      { files: 'en/train-9.parquet' },
      { code: 'NO_FILES', hint: expect.stringContaining('en/train-') },
    ],
    ['a format', tree('a.tar', 'b.tar'), {}, { code: 'NO_FILES', hint: expect.stringContaining("'a.tar'") }],
    [
      'a format of named files',
      tree('a.tar'),
      { files: '*.tar' },
      { code: 'UNKNOWN_FORMAT', message: expect.stringContaining('a.tar') },
    ],
    ['anything', {}, {}, { code: 'NO_FILES', hint: expect.stringContaining('no files at all') }],
    [
      'a file of the card',
      { ...card('configs:\n- config_name: a\n  data_files: x.csv'), ...tree('y.csv') },
      {},
      { code: 'NO_FILES', message: expect.stringContaining("'x.csv'") },
    ],
    [
      'an address of the card',
      card('configs:\n- config_name: a\n  data_files: https://x/y.csv'),
      {},
      { code: 'FOREIGN_FILES' },
    ],
    [
      'several configurations',
      { ...card('configs:\n- config_name: a\n- config_name: b'), ...tree('y.csv') },
      {},
      { code: 'NO_CONFIG', hint: "Choose one with config: 'a', 'b'." },
    ],
    [
      'a card',
      card('configs: ['),
      {},
      { code: 'BAD_CARD', path: expect.stringMatching(/^o\/n@[0-9a-f]{40}\/README\.md$/) },
    ],
    ['a revision', bilingual, { revision: 'mian' }, { code: 'NOT_FOUND', hint: "Did you mean 'main'?" }],
  ])('%s', async (_, files, options, expected) => {
    expect(await failure(files, options)).toMatchObject(expected);
  });
});
