import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PageCache, type PageCacheOptions } from '../../src/formats/pageCache.ts';
import { randomBytes } from '../lsh/texts.ts';

function someFiles(sizes: readonly number[]): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-pages-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return sizes.map((size, i) => {
    const file = path.join(folder, `${i}`);
    writeFileSync(file, randomBytes(i, size));
    return file;
  });
}

function cache(options?: PageCacheOptions): PageCache {
  const made = new PageCache(options);
  onTestFinished(() => made.close());
  return made;
}

describe('PageCache', () => {
  // each file has rows of its own length; that of the last one is longer than a page
  const rowBytes = [1, 7, 40, 200, 8192, 20_000];
  const rows = [30_000, 2500, 900, 130, 5, 4];

  it('reads rows and ranges as they lie in the files, with any number of pages and of open files', () => {
    const files = someFiles(rowBytes.map((bytes, i) => bytes * (rows[i] ?? 0)));
    const contents = files.map((file) => readFileSync(file));
    const access = fc.record({
      file: fc.nat(files.length - 1),
      at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      length: fc.option(fc.nat(30_000)),
    });
    const options = fc.record({ pages: fc.integer({ min: 1, max: 8 }), files: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), options, (accesses, given) => {
        const pages = new PageCache(given);
        for (const { file: i, at, length } of accesses) {
          const [file = '', content = Buffer.alloc(0), bytes = 1, count = 0] = [
            files[i],
            contents[i],
            rowBytes[i],
            rows[i],
          ];
          const row = Math.floor(at * count);
          const start = length === null ? row * bytes : Math.floor(at * content.length);
          const end = length === null ? start + bytes : Math.min(start + length, content.length);
          const read = length === null ? pages.row(file, bytes, row) : pages.range(file, start, end);
          expect(Buffer.compare(read, content.subarray(start, end))).toBe(0);
        }
        pages.close();
      }),
    );
  });

  it('keeps a row that it gave as it was', () => {
    const [file = ''] = someFiles([1 << 20]);
    const content = readFileSync(file);
    const pages = cache({ pages: 2 });
    const kept = Array.from({ length: 128 }, (_, row) => pages.row(file, 8192, row));
    expect(Buffer.compare(Buffer.concat(kept), content)).toBe(0);
  });

  it('reads beyond 4 GiB', () => {
    const [file = ''] = someFiles([0]);
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, Buffer.from('far away'), 0, 8, 40 * 2 ** 28);
    closeSync(descriptor);
    const pages = cache();
    expect(Buffer.from(pages.row(file, 8, 5 * 2 ** 28)).toString()).toBe('far away');
    expect(Buffer.from(pages.range(file, 40 * 2 ** 28 + 4, 40 * 2 ** 28 + 8)).toString()).toBe('away');
    expect([...pages.row(file, 8, 5 * 2 ** 28 - 1)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(pages.bytes(file)).toBe(40 * 2 ** 28 + 8);
  });

  it('has no more files open than it may, and none once it is closed', () => {
    const files = someFiles([10, 10, 10, 10, 10]);
    const isOpen = (descriptor: number): boolean => {
      try {
        return fstatSync(descriptor).ino >= 0;
      } catch {
        return false;
      }
    };
    const openNow = (): number => Array.from({ length: 256 }, (_, i) => i).filter(isOpen).length;
    const before = openNow();
    const pages = new PageCache({ files: 2 });
    for (let turn = 0; turn < 3; turn++) {
      for (const file of files) {
        pages.range(file, 0, 10);
        expect(openNow() - before).toBeLessThanOrEqual(2);
      }
    }
    expect(openNow() - before).toBe(2);
    pages.close();
    expect(openNow()).toBe(before);
  });

  it('closes the file that was used longest ago', () => {
    const files = someFiles([10, 10, 10]);
    const [first = '', second = '', third = ''] = files;
    const pages = cache({ files: 2 });
    for (const file of [first, second, first, third]) pages.range(file, 0, 1);
    for (const file of files) rmSync(file);
    // what is open can still be read
    for (const [i, file] of [first, third].entries()) expect(pages.range(file, 0, 10)).toEqual(randomBytes(2 * i, 10));
    expect(() => pages.range(second, 0, 10)).toThrow('missing');
  });

  it('keeps pages of files that it closed', () => {
    const files = someFiles([10, 10]);
    const pages = cache({ files: 1 });
    const [first = '', second = ''] = files;
    const row = pages.row(first, 5, 1);
    pages.row(second, 5, 1);
    rmSync(first);
    expect(pages.row(first, 5, 0)).toEqual(randomBytes(0, 5));
    expect(row).toEqual(randomBytes(0, 10).subarray(5));
  });

  it('tells of files that are shorter than they should be, before it takes memory for what is not there', () => {
    const [file = ''] = someFiles([79]);
    const pages = cache();
    const isDamaged = expect.objectContaining({ name: 'PipelineError', code: 'DAMAGED', path: file });
    expect(pages.row(file, 40, 0)).toEqual(randomBytes(0, 40));
    for (const row of [1, 2, 1e6]) expect(() => pages.row(file, 40, row)).toThrow(isDamaged);
    for (const [start, end] of [
      [0, 80],
      [79, 1e15],
      [80, 80],
      [5, 4],
      [-1, 4],
      [Number.NaN, 4],
      [0, Number.NaN],
    ] as const) {
      expect(() => pages.range(file, start, end), `${start} to ${end}`).toThrow(isDamaged);
    }
    expect(pages.range(file, 79, 79)).toHaveLength(0);
    expect(() => pages.range(file, 0, 80)).toThrow('it has 79 bytes, and none from 0 to 80');
  });

  it('tells of files that are missing', () => {
    const pages = cache();
    const file = path.join(tmpdir(), 'sluice-no-such-file');
    const isMissing = expect.objectContaining({
      code: 'MISSING_FILE',
      path: file,
      hint: expect.stringMatching(/anew/),
    });
    for (let turn = 0; turn < 2; turn++) expect(() => pages.row(file, 1, 0)).toThrow(isMissing);
  });
});
