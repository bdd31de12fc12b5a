import { describe, expect, it } from 'vitest';
import { inferSplits, mayBeData } from '../../../../src/storage/hub/dataset/splitNames.ts';

const splits = (...paths: string[]): Record<string, readonly string[]> => Object.fromEntries(inferSplits(paths));

describe('splits by names', () => {
  // The examples are those that the documentation of Python's datasets gives ("Structure your repository", get_data_patterns).
  it('of one file, or of names that say nothing, is train', () => {
    expect(splits('data.csv')).toEqual({ train: ['data.csv'] });
    expect(splits('a/1.csv', 'b/2.csv')).toEqual({ train: ['a/1.csv', 'b/2.csv'] });
    expect(splits()).toEqual({});
  });

  it('of files with a word for a split', () => {
    expect(splits('train.csv', 'test.csv')).toEqual({ train: ['train.csv'], test: ['test.csv'] });
    expect(splits('data/train_0.csv', 'data/train_1.csv', 'data/my-test.csv', 'data/x.validation1.csv')).toEqual({
      train: ['data/train_0.csv', 'data/train_1.csv'],
      validation: ['data/x.validation1.csv'],
      test: ['data/my-test.csv'],
    });
    expect(splits('dev.jsonl', 'eval.jsonl', 'training-set.jsonl', 'val 2.jsonl')).toEqual({
      train: ['training-set.jsonl'],
      validation: ['dev.jsonl', 'val 2.jsonl'],
      test: ['eval.jsonl'],
    });
  });

  it('is no matter of words that only contain one', () => {
    expect(splits('testfile.csv', 'retrain.csv', 'devices.csv')).toEqual({
      train: ['testfile.csv', 'retrain.csv', 'devices.csv'],
    });
    expect(splits('Train.csv', 'TEST.csv')).toEqual({ train: ['Train.csv', 'TEST.csv'] });
  });

  it('of folders, which come before files', () => {
    expect(splits('data/train/shard_0.csv', 'data/train/shard_1.csv', 'data/test/train.csv', 'other.csv')).toEqual({
      train: ['data/train/shard_0.csv', 'data/train/shard_1.csv'],
      test: ['data/test/train.csv'],
    });
    expect(splits('en_train/1.csv', 'x/dev-clean/1.csv')).toEqual({
      train: ['en_train/1.csv'],
      validation: ['x/dev-clean/1.csv'],
    });
  });

  it('of shards in data, which come first and may have any name', () => {
    expect(
      splits(
        'data/random-00000-of-00002.parquet',
        'data/random-00001-of-00002.parquet',
        'data/test-00000-of-00001-4aa3a1ab.parquet',
        'data/train-00000-of-00001.parquet',
        'train/more.parquet',
      ),
    ).toEqual({
      train: ['data/train-00000-of-00001.parquet'],
      test: ['data/test-00000-of-00001-4aa3a1ab.parquet'],
      random: ['data/random-00000-of-00002.parquet', 'data/random-00001-of-00002.parquet'],
    });
    expect([
      ...inferSplits(['data/b-00000-of-00001.x', 'data/validation-00000-of-00001.x', 'data/a-00000-of-00001.x']).keys(),
    ]).toEqual(['validation', 'a', 'b']);
    expect(splits('data/train-0-of-1.parquet', 'sub/data/x-00000-of-00001.parquet')).toEqual({
      train: ['data/train-0-of-1.parquet'],
    });
  });
});

describe('mayBeData', () => {
  it.each(['a.csv', 'x/y.json', 'dataset.json', '_a/b'])('%s', (path) => expect(mayBeData(path)).toBe(true));
  it.each(['.a.csv', 'x/.hidden/y.json', '__pycache__/x.json', 'README.md', 'x/README.md', 'dataset_infos.json'])(
    'not %s',
    (path) => expect(mayBeData(path)).toBe(false),
  );
});
