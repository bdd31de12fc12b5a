import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hubLocation,
  isRevision,
  parseHubLocation,
  requireRepository,
  requireSafePath,
} from '../../../src/storage/hub/location.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';
const code = (value: string) => expect.objectContaining({ code: value });

describe('parseHubLocation', () => {
  it.each([
    ['hf://datasets/o/n', 'o/n', undefined, ''],
    ['hf://datasets/o/n/', 'o/n', undefined, ''],
    ['hf://datasets/o/n/data/*.parquet', 'o/n', undefined, 'data/*.parquet'],
    ['hf://datasets/o/n/a@b/c', 'o/n', undefined, 'a@b/c'],
    ['hf://datasets/o/n@v1.0', 'o/n', 'v1.0', ''],
    ['hf://datasets/o/n@main/x y/#1%20.txt', 'o/n', 'main', 'x y/#1%20.txt'],
    [`hf://datasets/o/n@${commit}/x`, 'o/n', commit, 'x'],
    [
      'hf://datasets/o/n@refs%2Fconvert%2Fparquet/default/train/0000.parquet',
      'o/n',
      'refs/convert/parquet',
      'default/train/0000.parquet',
    ],
    ['hf://datasets/o/n@refs/convert/parquet/default/x', 'o/n', 'refs/convert/parquet', 'default/x'],
    ['hf://datasets/o/n@refs/pr/12', 'o/n', 'refs/pr/12', ''],
    ['hf://datasets/o/n@feature%2Fx/y', 'o/n', 'feature/x', 'y'],
  ])('%s', (text, repository, revision, path) => {
    expect(parseHubLocation(text)).toEqual({ repository, revision, path });
  });

  it.each([
    ['hf://models/o/n/x', 'BAD_LOCATION'],
    ['hf://o/n/x', 'BAD_LOCATION'],
    ['https://datasets/o/n', 'BAD_LOCATION'],
    ['hf://datasets/squad', 'BAD_REPOSITORY'],
    ['hf://datasets//n/x', 'BAD_REPOSITORY'],
    ['hf://datasets/../n/x', 'BAD_REPOSITORY'],
    ['hf://datasets/o/n@/x', 'BAD_LOCATION'],
    ['hf://datasets/o/n@%2e%2e%2fx/y', 'BAD_LOCATION'],
    ['hf://datasets/o/n@%zz/y', 'BAD_LOCATION'],
  ])('refuses %s', (text, expected) => {
    expect(() => parseHubLocation(text)).toThrow(code(expected));
  });

  it('takes apart what hubLocation puts together', () => {
    const name = fc
      .stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}[a-zA-Z0-9_]$/)
      .filter((text) => !/--|\.\./.test(text));
    const repository = fc.tuple(name, name).map((parts) => parts.join('/'));
    const revision = fc.option(fc.string({ unit: 'binary' }).filter(isRevision), { nil: undefined });
    const path = fc
      .array(fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('/')))
      .map((names) => names.join('/'));
    fc.assert(
      fc.property(fc.record({ repository, revision, path }), (location) => {
        expect(parseHubLocation(hubLocation(location))).toEqual(location);
      }),
      { numRuns: 30 },
    );
  });
});

describe('requireRepository', () => {
  it.each(['HuggingFaceFW/fineweb-edu', 'a/b', 'a.b/c_d-e.f'])('takes %s', (name) => {
    expect(requireRepository(name)).toBe(name);
  });

  it.each(['', 'a', 'a/b/c', 'a/', '/b', 'a/..', './b', 'a/b--c', 'a/b.', 'a b/c', 'a/b?', 'a/b\n'])(
    'refuses %j',
    (name) => {
      expect(() => requireRepository(name)).toThrow(code('BAD_REPOSITORY'));
    },
  );

  it('says what is missing where there is no owner', () => {
    expect(() => requireRepository('squad')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('owner/name') }),
    );
  });
});

describe('requireSafePath', () => {
  it.each(['a', 'a/b c/d.parquet', 'a/..b/c..', 'a/#100%.txt', 'ü/日本.txt'])('takes %s', (path) => {
    expect(requireSafePath(path, 'linux')).toBe(path);
  });

  it.each(['', '/a', 'a//b', 'a/', '../a', 'a/../b', 'a/./b', 'a\0b', 'a\nb', 'x'.repeat(256)])(
    'refuses %j everywhere',
    (path) => {
      for (const platform of ['linux', 'darwin', 'win32'] as const) {
        expect(() => requireSafePath(path, platform)).toThrow(code('UNSAFE_PATH'));
      }
    },
  );

  it.each(['a\\b', 'C:/x', 'a:b', 'con', 'x/NUL.txt', 'com1', 'lpt\u00b9.csv', 'a.', 'a ', 'what?', 'a*b'])(
    'refuses %j on Windows alone',
    (path) => {
      expect(() => requireSafePath(path, 'win32')).toThrow(code('UNSAFE_PATH'));
      expect(requireSafePath(path, 'linux')).toBe(path);
    },
  );
});
