import fc from 'fast-check';
import picomatch from 'picomatch';
import { describe, expect, it } from 'vitest';
import { matching } from '../../../../src/storage/hub/dataset/patterns.ts';

describe('a pattern of a card', () => {
  it.each([
    ['data/*.parquet', ['data/a.parquet'], ['data/x/a.parquet', 'a.parquet']],
    ['data/**', ['data/a.parquet', 'data/x/a.parquet'], ['b/a.parquet', 'data']],
    ['**/train-*', ['train-0.csv', 'a/train-0.csv', 'a/b/train-'], ['a/b/retrain-0.csv']],
    ['*-0000[0-4]-of-00010.csv', ['x-00004-of-00010.csv'], ['x-00005-of-00010.csv']],
    ['[!a]?[^b-d].csv', ['bxa.csv', '😀😀😀.csv'], ['axa.csv', 'bxc.csv', 'bx.csv']],
    ['[]x].csv', ['].csv', 'x.csv'], ['[]x].csv']],
    ['a(b){c}|d*.csv', ['a(b){c}|d1.csv'], ['abcd.csv']],
    ['a[b*.csv', ['a[b1.csv'], ['ab1.csv']],
    ['./data/*', ['data/a.csv'], ['data/.hidden', 'data/README.md']],
    ['.hidden/*', ['.hidden/a.csv'], ['hidden/a.csv']],
  ])('%s means %j', (pattern, meant, others) => {
    expect(matching(pattern, [...meant, ...others])).toEqual(meant);
  });

  it('means what an expression of it means', () => {
    const name = fc.array(fc.constantFrom('a', 'b', '.c'), { minLength: 1, maxLength: 4 }).map((all) => all.join(''));
    const part = fc
      .array(fc.constantFrom('a', 'b', '.c', '*', '?', '[ab]', '[^a]', '[a-b]'), { minLength: 1, maxLength: 4 })
      .map((all) => all.join('').replace(/\*+/g, '*'));
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
    const pattern = fc
      .array(fc.oneof(part, fc.constant('**')), { minLength: 1, maxLength: 4 })
      .map((names) => names.join('/'))
      .filter((text) => /[*?[]/.test(text) && !text.startsWith('./') && !text.endsWith('**'));
    fc.assert(
      fc.property(pattern, fc.array(path, { maxLength: 10 }), (text, paths) => {
        const test = picomatch(text, { dot: true, nonegate: true, noextglob: true });
        // Which names are hidden is for another test.
        const shown = paths.filter((one) => !/(^|\/)\./.test(one));
        expect(matching(text, shown)).toEqual(shown.filter((one) => test(one)));
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no time on names that are made for it', () => {
    const begun = performance.now();
    expect(matching(`${'*a'.repeat(200)}b`, ['a'.repeat(2000)])).toEqual([]);
    expect(matching(`${'**/a/'.repeat(200)}b`, [`${'a/'.repeat(2000)}c`])).toEqual([]);
    expect(matching(`*${'x'.repeat(100_000)}`, ['x'.repeat(100_000)])).toEqual([]);
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});
