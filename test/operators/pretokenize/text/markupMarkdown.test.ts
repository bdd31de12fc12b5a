import { describe, expect, it } from 'vitest';
import { readMarkdown } from '../../../../src/operators/pretokenize/text/markup/markdown.ts';
import { segments, textOf } from '../../../support/cuts.ts';

const read = (source: string): string => readMarkdown(source).text;

describe('Markdown as text', () => {
  it.each([
    ['headings', '# A\n\nB\n===\n\ntext', 'A\n\nB\n\ntext'],
    ['emphasis, code, links', '*a* **b** `c < d` [e](http://f "g") <http://h> ~~i~~', 'a b c < d e http://h i'],
    ['pictures', '![a cat](cat.png)', 'a cat'],
    ['references', '[a][x] [b]\n\n[x]: http://x\n', 'a [b]'],
    ['lists', '- a\n- b\n  1. c\n  2. d\n', '- a\n- b\n  1. c\n  2. d'],
    ['quotations', '> a\n> b\n', 'a b'],
    ['fences', '```js\nlet  x;\n\n  y\n```\nafter', 'let  x;\n\n  y\n\nafter'],
    ['tables', '| a | b |\n|---|---|\n| *c* | d |\n', 'a\tb\nc\td'],
    ['HTML in it', 'a <b>b</b><!-- c -->\n\n<div>d</div>\n\n<script>e</script>\n', 'a b\n\nd'],
    ['entities and escapes', '&copy; \\*a\\* 1 < 2', '© *a* 1 < 2'],
    ['line ends', 'a  \nb\nc', 'a\nb c'],
    ['rules', 'a\n\n---\n\nb', 'a\n\nb'],
    ['nothing', '[x]: http://x\n', ''],
  ])('(%s)', (_what, source, text) => {
    expect(read(source)).toBe(text);
  });

  it.each([
    ['YAML', '---\ntitle: A: no\n"x": 1\n---\nb', { text: 'b' }],
    ['YAML with a title', '---\r\ntags: [a]\r\ntitle: The "title"\r\n---\r\n# b', { text: 'b', title: 'The "title"' }],
    ['YAML behind a comment', '---\n# c\ntitle: T\n...\nb', { text: 'b', title: 'T' }],
    ['TOML', '+++\ntitle = "T"\n+++\nb', { text: 'b' }],
    ['a title that is none', '---\ntitle: [a]\n---\nb', { text: 'b' }],
    ['nothing but it', '---\ntitle: T\n---\n', { text: '', title: 'T' }],
  ])('leaves out what stands before it: %s', (_what, source, expected) => {
    expect(readMarkdown(source)).toEqual(expected);
  });

  it.each([
    ['two rules', '---\n\na\n\n---\n\nb', 'a\n\nb'],
    ['a heading between rules', '---\na\n---\nb', 'a\n\nb'],
    ['an end that is missing', '---\ntitle: T\nb', 'title: T b'],
    ['a rule further on', 'a\n\n---\nt: 1\n---\n', 'a\n\nt: 1'],
  ])('takes for text what only looks like that: %s', (_what, source, text) => {
    expect(read(source)).toBe(text);
  });

  it('is cut into one segment that says where it comes from', async () => {
    const source = '---\ntitle: T\n---\n# A\n\nb\n';
    const [segment] = await segments(source, 'README.md', { text: { markup: 'text' } });
    expect(Buffer.from(segment?.bytes ?? []).toString()).toBe('A\n\nb');
    expect(segment).toMatchObject({
      label: 'text',
      mediaType: 'text/markdown',
      meta: { charset: 'utf-8', title: 'T' },
      origin: {
        start: 0,
        end: source.length,
        derived: expect.stringMatching(/^markdown -> html -> text \(markdown-it [\d.]+, parse5 [\d.]+\)$/),
      },
    });
    expect(textOf(await segments(source, 'README.md', { text: { markup: { markdown: 'keep' } } }))).toBe(source);
    await expect(segments('<!-- -->', 'x.md', { text: { markup: 'text' } })).rejects.toMatchObject({
      code: 'EMPTY_DOCUMENT',
    });
  });
});

describe('hostile Markdown', () => {
  const n = 200_000;
  const repeated = (part: string): string => part.repeat(n / part.length);
  it.each([
    '*a_',
    '[',
    '](',
    '![[',
    '[a](<b',
    '**x',
    '&amp;',
    '<a ',
    '<![CDATA[',
    '<!--',
    '[a](',
    '[a][b',
    '~~a',
    '|a',
    '`a``b',
    '\\[',
    'http://a.',
    '<b>',
    '[x]: y\n',
    '#',
    '\t',
    'a\n=\n',
    '- a\n\n',
    '|a|b|\n|-|-|\n',
  ])('(%j over and over) is text within seconds', (part) => {
    const began = performance.now();
    expect(read(repeated(part)).length).toBeLessThanOrEqual(4 * n);
    expect(performance.now() - began).toBeLessThan(8000);
  });

  it.each([
    ['quotations', '>'.repeat(n)],
    ['lists', '1. '.repeat(n / 4)],
    ['lists line by line', Array.from({ length: 300 }, (_, at) => `${' '.repeat(2 * at)}- a\n`).join('')],
  ])('that lies deep in itself (%s) is refused', (_what, source) => {
    expect(() => read(source)).toThrow(expect.objectContaining({ code: 'NESTED_TOO_DEEP' }));
  });

  it('that lies as deep as is allowed loses nothing', () => {
    expect(read(`${'> '.repeat(98)}a`)).toBe('a');
    expect(read(`${'- '.repeat(48)}a`)).toContain('a');
    for (let depth = 90; depth < 110; depth++) {
      try {
        expect(read(`${'>'.repeat(depth)} word`)).toBe('word');
      } catch (error) {
        expect(error).toMatchObject({ code: 'NESTED_TOO_DEEP' });
      }
    }
  });

  it('has facts before it that cannot be read', () => {
    const bomb = `a: &a [x,x,x]\n${Array.from({ length: 20 }, (_, at) => `b${at}: &b${at} [*a,*a,*a]`).join('\n')}`;
    expect(read(`---\n${bomb}\ntitle: {\n---\ntext`)).toBe('text');
    expect(read(`---\nt: ${'['.repeat(50_000)}\n---\ntext`)).toBe('text');
    expect(read(`---\na: 1\n${'x\n'.repeat(n)}`)).toContain('x');
  });
});
