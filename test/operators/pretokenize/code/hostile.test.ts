import { describe, expect, it } from 'vitest';
import { cut } from './support.ts';

/** Sources that take a parser long, with what it takes most of. */
const HOSTILE: readonly (readonly [what: string, language: string, source: string])[] = [
  ['a million brackets', 'rust', '('.repeat(1e6)],
  ['a million braces', 'javascript', '{'.repeat(1e6)],
  ['many short statements', 'python', 'a;\n'.repeat(3e5)],
  ['one long line', 'go', 'a = "b" + '.repeat(1e5)],
  ['ten megabytes in one line', 'javascript', 'a = [1, 2, 3];'.repeat(750_000)],
  ['quotes', 'c', '"\'`'.repeat(1e5)],
  ['comments that do not end', 'css', '/*'.repeat(2e5)],
  ['zero bytes', 'shell', '\0'.repeat(1e5)],
  ['comparisons that may be types', 'cpp', 'a<'.repeat(5e4)],
  // last: what is parsed behind it in the same process may be taken whole
  ['more comparisons than memory', 'java', 'a<'.repeat(2e5)],
];

describe('hostile sources', () => {
  it('are the same segments every time', async () => {
    const source = 'a;\n'.repeat(3e5);
    const [first] = await cut(source, 'python');
    await cut('def f():\n    pass\n', 'python');
    expect((await cut(source, 'python')).map(({ meta }) => meta)).toEqual([first!.meta]);
    expect(first!.meta).toMatchObject({ parse: 'skipped', parse_skipped: 'steps' });
  });

  it.each(HOSTILE)('%s (%s) are cut in bounded time', async (_what, language, source) => {
    const before = process.cpuUsage();
    const segments = await cut(source, language);
    const { user, system } = process.cpuUsage(before);
    expect(segments.map(({ bytes }) => bytes.toString()).join('') === source).toBe(true);
    expect((user + system) / 1e6).toBeLessThan(20);
  });
});
