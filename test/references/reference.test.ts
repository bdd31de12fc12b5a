import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseReference, shownReference } from '../../src/references/reference.ts';
import { Failure } from '../../src/sources/failure.ts';

const read = (text: string) => parseReference(text, 1000);

describe('a reference', () => {
  it.each([
    ['images/a.png', { kind: 'relative', path: 'images/a.png' }],
    ['./images//a b%20#?.png', { kind: 'relative', path: 'images/a b%20#?.png' }],
    ['...', { kind: 'relative', path: '...' }],
    ['video:1.mp4', { kind: 'relative', path: 'video:1.mp4' }],
    ['["a.png"]', { kind: 'relative', path: '["a.png"]' }],
    ['hf://datasets/o/n/a/b.png', { kind: 'hub', repository: 'o/n', revision: undefined, path: 'a/b.png' }],
    ['hf://datasets/o/n@v1.0/a.png', { kind: 'hub', repository: 'o/n', revision: 'v1.0', path: 'a.png' }],
    ['hf://datasets/o/n@a%2Fb/c@d.png', { kind: 'hub', repository: 'o/n', revision: 'a/b', path: 'c@d.png' }],
    ['hf://datasets/o/n@refs/pr/3/a.png', { kind: 'hub', repository: 'o/n', revision: 'refs/pr/3', path: 'a.png' }],
    ['https://example.org/a.png?x=1', { kind: 'web', url: 'https://example.org/a.png?x=1' }],
    ['HTTP://example.org/a.png', { kind: 'web', url: 'HTTP://example.org/a.png' }],
    ['s3://bucket/a/b.png', { kind: 'bucket', bucket: 'bucket', url: 's3://bucket/a/b.png' }],
    ['data:image/png;base64,AAEC', { kind: 'data', mediaType: 'image/png', bytes: new Uint8Array([0, 1, 2]) }],
    ['DATA:;base64,', { kind: 'data', mediaType: '', bytes: new Uint8Array() }],
  ])('%s', (text, expected) => expect(read(text)).toEqual(expected));

  it.each([
    ['', 'BAD_REFERENCE'],
    ['./', 'BAD_REFERENCE'],
    ['a'.repeat(5000), 'BAD_REFERENCE'],
    ['../a.png', 'UNSAFE_REFERENCE'],
    ['a/../b.png', 'UNSAFE_REFERENCE'],
    ['a\\..\\b.png', 'UNSAFE_REFERENCE'],
    ['a/..', 'UNSAFE_REFERENCE'],
    ['/etc/passwd', 'UNSAFE_REFERENCE'],
    ['//host/a.png', 'UNSAFE_REFERENCE'],
    ['\\\\host\\a.png', 'UNSAFE_REFERENCE'],
    ['C:\\a.png', 'UNSAFE_REFERENCE'],
    ['c:a.png', 'UNSAFE_REFERENCE'],
    ['./c:a.png', 'UNSAFE_REFERENCE'],
    ['.\\\\a.png', 'UNSAFE_REFERENCE'],
    ['./\\a.png', 'UNSAFE_REFERENCE'],
    ['a\0b.png', 'UNSAFE_REFERENCE'],
    ['a\nb.png', 'UNSAFE_REFERENCE'],
    ['file:///etc/passwd', 'UNSAFE_REFERENCE'],
    ['hf://datasets/o/n/../x.png', 'UNSAFE_REFERENCE'],
    ['hf://datasets/o/n//etc/passwd', 'UNSAFE_REFERENCE'],
    ['hf://datasets/o/n', 'BAD_REFERENCE'],
    ['hf://datasets/o/n@main', 'BAD_REFERENCE'],
    ['hf://models/o/n/x.png', 'BAD_REFERENCE'],
    ['hf://datasets/o/x/../y@../a.png', 'UNSAFE_REFERENCE'],
    ['gs://bucket/x.png', 'BAD_REFERENCE'],
    ['https://', 'BAD_REFERENCE'],
    ['s3://bucket', 'BAD_REFERENCE'],
    ['s3://../x', 'BAD_REFERENCE'],
    ['data:image/png,abc', 'BAD_REFERENCE'],
    ['data:image/png;base64,a?', 'BAD_REFERENCE'],
    ['data:image/png;base64', 'BAD_REFERENCE'],
    [`data:image/png;base64,${'A'.repeat(1400)}`, 'REFERENCE_TOO_LARGE'],
  ])('%j is refused as %s', (text, code) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ name: 'Failure', code }));
  });

  it('is understood or refused, whatever it is, and a path never leads out of its folder', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('..', '.', '', 'a', 'C:', '~', '@main', 'datasets'),
    );
    const prefix = fc.constantFrom(
      '',
      '/',
      './',
      '\\',
      'hf://datasets/o/n/',
      'hf://',
      'https://',
      's3://',
      'data:',
      'file://',
    );
    const separator = fc.constantFrom('/', '\\', '//');
    fc.assert(
      fc.property(prefix, fc.array(piece, { maxLength: 6 }), separator, (start, pieces, between) => {
        const text = start + pieces.join(between);
        let found: ReturnType<typeof read>;
        try {
          found = read(text);
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
          return;
        }
        if (found.kind !== 'relative' && found.kind !== 'hub') return;
        for (const system of [path.posix, path.win32]) {
          const root = system === path.posix ? '/base' : 'C:\\base';
          expect(system.join(root, found.path).startsWith(root + system.sep)).toBe(true);
          expect(system.resolve(root, found.path).startsWith(root + system.sep)).toBe(true);
        }
        if (found.kind === 'relative') expect(read(`./${found.path}`)).toEqual(found);
      }),
      { numRuns: 2000 },
    );
  });

  it('that is longer than any is refused without a look at all of it', () => {
    for (const text of ['data:;', '../', 'a/', 'a\\', 's3://a/../']) {
      expect(() => parseReference(text + text.at(-1)?.repeat(10_000_000), 1000)).toThrow(/longer|base64|upwards|names/);
    }
  });

  it('holds exactly the bytes that its data: says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1100 }), (bytes) => {
        const text = `data:a/b;charset=x;base64,${Buffer.from(bytes).toString('base64')}`;
        if (bytes.length > 1000)
          expect(() => read(text)).toThrow(expect.objectContaining({ code: 'REFERENCE_TOO_LARGE' }));
        else expect(read(text)).toEqual({ kind: 'data', mediaType: 'a/b', bytes: new Uint8Array(bytes) });
      }),
    );
  });

  it('is shown without contents, signatures and passwords', () => {
    expect(shownReference('data:image/png;base64,AAEC')).toBe('data:image/png');
    expect(shownReference('https://user:password@example.org/a?signature=1')).toBe('https://example.org/a?...');
    expect(shownReference('images/what?.png')).toBe('images/what?.png');
    expect(shownReference('x'.repeat(1000))).toHaveLength(200);
    expect(shownReference(`data:${';a'.repeat(10_000_000)}`)).toHaveLength(200);
  });
});
