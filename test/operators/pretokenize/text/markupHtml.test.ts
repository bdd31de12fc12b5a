import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { htmlToText, readHtml } from '../../../../src/operators/pretokenize/text/markup/html.ts';
import { declaredCharset } from '../../../../src/operators/pretokenize/text/markup/htmlCharset.ts';
import { Failure } from '../../../../src/sources/failure.ts';
import { segments, textOf } from '../../../support/cuts.ts';

const all = (html: string): string => htmlToText(html, { html: 'all' });

describe('HTML as text', () => {
  it.each([
    ['words', 'a  b\n\tc', 'a b c'],
    ['elements in a line', 'a<b>b</b> <i>c</i><span>d</span>', 'ab cd'],
    ['paragraphs', '<p>a<p>b</p>c', 'a\n\nb\n\nc'],
    ['blocks', '<div>a<div>b</div></div>c', 'a\nb\nc'],
    ['line ends', 'a<br>b<br/><br>c<br><br><br>d', 'a\nb\n\nc\n\nd'],
    ['headings', '<h1>a</h1>b<h2>c</h2>', 'a\n\nb\n\nc'],
    ['preformatted text', 'x<pre>\n a\n\n\n  b </pre>y', 'x\n\n a\n\n\n  b \n\ny'],
    ['a list', 'x<ul><li>a<li>b<li></ul>y', 'x\n\n- a\n- b\n\ny'],
    ['numbers', '<ol start=3><li>a<li value=9>b<li>c</ol>', '3. a\n9. b\n10. c'],
    ['a list in a list', '<ul><li>a<ol><li>b<li>c</ol><li>d</ul>', '- a\n  1. b\n  2. c\n- d'],
    ['paragraphs of an item', '<ul><li><p>a<p>b</ul>', '- a\n\n  b'],
    ['a table', '<table><tr><th>a<th>b<tr><td>c<td><p>d</p></table>e', 'a\tb\nc\td\n\ne'],
    ['empty cells', '<table><tr><td>a<td><td>c<tr><td><td>b<td></table>', 'a\t\tc\n\tb'],
    ['a table for layout', '<table><tr><td>a<td><p>b<p>c<td>d</table>', 'a\tb\n\nc\n\nd'],
    ['definitions', '<dl><dt>a<dd>b<dt>c<dd>d</dl>', 'a\nb\nc\nd'],
    ['pictures', 'a<img src=x alt="a cat">b<img alt="">c', 'aa catbc'],
    ['entities', '&lt;&eacute;&#x1F600;&nbsp;&amp;amp;&nonentity;', '<é😀\u00a0&amp;&nonentity;'],
    ['quotations', 'he said <q>yes</q>', 'he said “yes”'],
    ['ruby', '<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>', '漢(kan)'],
    ['formulas', '<math alttext="x^2"><mi>x</mi></math> <math><mi>y</mi><annotation>t</annotation></math>', 'x^2 y'],
    ['a description', '<details><summary>a</summary>b</details>', 'a\nb'],
    [
      'what nobody sees',
      '<head><title>t</title><style>s</style></head><script>s</script><template>t</template><p hidden>h<p aria-hidden=true>x<noscript>n</noscript><button>b</button><select><option>o</select><textarea>t</textarea></p><svg><text>v</text></svg>a<!-- c -->',
      'a',
    ],
    ['nothing', '<p> <br> <div></div>', ''],
  ])('(%s)', (_what, html, text) => {
    expect(all(html)).toBe(text);
  });

  it('tells its title and its language', () => {
    expect(readHtml('<html lang=" de-CH "><title> A\n b </title>c')).toEqual({
      text: 'c',
      title: 'A b',
      lang: 'de-CH',
    });
    expect(readHtml('<title></title><svg><title>x</title></svg>c')).toEqual({ text: 'c' });
  });

  it('is XHTML where it says so: elements may close themselves', () => {
    const xhtml = (body: string): string =>
      `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x"/></head><body>${body}</body></html>`;
    expect(htmlToText(xhtml('<p>a<br/>b</p><div/><a id="x"/>c'))).toBe('a\nb\n\nc');
    expect(htmlToText('<div/>a')).toBe('a');
  });
});

const sentence = 'This is a sentence of the article, long enough to count. ';

describe('the main content of a page', () => {
  const around =
    '<header><h1>Site</h1></header><nav><a href=/>Home</a></nav><aside>See also</aside><footer>Imprint</footer>';

  it.each([
    ['main', `${around}<main><p>${sentence}</main>`],
    ['main by its role', `${around}<div role=main><p>${sentence}</div>`],
    ['an article', `${around}<article><p>${sentence}</article>`],
    ['an article beside an empty main', `${around}<main></main><article><p>${sentence}</article>`],
    ['neither', `${around}<div><p>${sentence}</div>`],
    [
      'neither, among blocks named for what they are',
      `<div class="site-nav">Go home</div><div id=sidebar>More</div><div class="post"><p>${sentence.repeat(2)}</div><div class="cookie-consent">OK?</div>`,
    ],
    [
      'neither, among blocks of links',
      `<div><a>one</a> <a>two</a> <a>three</a></div><p>${sentence}<ul><li><a>a</a><li><a>b</a><li><a>c</a></ul>`,
    ],
  ])('is found by %s', (_what, html) => {
    expect(htmlToText(html).replaceAll(sentence.trim(), 's').replaceAll(/\s/g, '')).toMatch(/^s+$/);
    expect(all(html).length).toBeGreaterThan(htmlToText(html).length);
  });

  it('has the header of an article, and all articles where there is no more', () => {
    const html = `<nav>x</nav><article><header><h1>A</h1></header>${sentence}</article><article><h1>B</h1>${sentence}<aside>no</aside></article>`;
    expect(htmlToText(html)).toBe(`A\n\n${sentence.trim()}\n\nB\n\n${sentence.trim()}`);
  });

  it.each([
    ['a list of links', '<ul><li><a>one</a><li><a>two</a><li><a>three</a></ul>'],
    ['a navigation', '<nav><a>one</a> <a>two</a> <a>three</a></nav>'],
    ['a block with an unlucky name', `<div class="share">${sentence}</div><p>short`],
  ])('is %s where there is hardly anything else', (_what, html) => {
    expect(htmlToText(html)).toBe(all(html));
  });

  it('is never more than everything', () => {
    const tag = fc.constantFrom(
      ...[
        '<main>',
        '</main>',
        '<nav>',
        '</nav>',
        '<div class=ad>',
        '</div>',
        '<ul><li>',
        '</ul>',
        '<a>',
        '</a>',
        '<td>',
      ],
      ...['<table>', '</table>', '<p>', '<article>', '</article>', 'word ', 'other words ', '<b>', '</b>', '<br>'],
    );
    fc.assert(
      fc.property(fc.array(tag, { maxLength: 60 }), (tags) => {
        const html = tags.join('');
        const words = (text: string): number => text.split(/[^a-z]+/).filter((word) => word !== '').length;
        const [main, everything] = [htmlToText(html), all(html)];
        expect(words(main)).toBeLessThanOrEqual(words(everything));
        expect(main === '').toBe(everything === '');
      }),
      { numRuns: 300 },
    );
  });
});

describe('hostile HTML', () => {
  const n = 200_000;
  it.each([
    ['nested blocks', '<div>'.repeat(2 * n)],
    ['nested formatting', '<b>'.repeat(n)],
    ['nested lists', '<ul><li>x'.repeat(n / 4)],
    ['nested tables', '<table><tr><td>x'.repeat(n / 8)],
    ['nested formatting that is closed in another order', '<b><i><u><p>x</b></i>'.repeat(n / 20)],
    ['attributes without end', `<a ${'x=y '.repeat(n)}`],
    ['many attributes', `<a ${Array.from({ length: n / 4 }, (_, at) => `a${at}=1`).join(' ')}>x`],
    ['entities', '&amp;&#x41;&'.repeat(n / 4)],
    ['brackets', '<'.repeat(n)],
    ['comments that are never closed', '<!--'.repeat(n)],
    ['ends', '</p></div>'.repeat(n / 4)],
    ['nested templates', '<template>'.repeat(n / 8)],
    ['names', `<div class="${'ad '.repeat(n)}">x`],
    ['declarations that are never closed', `<?xml ?>${'<!DOCTYPE ['.repeat(n / 4)}`],
    ['self-closed elements', `<?xml ?>${'<a '.repeat(n / 2)}${'<a/>'.repeat(n / 4)}`],
  ])('(%s) is text within seconds', (_what, html) => {
    const began = performance.now();
    expect(htmlToText(html).length).toBeLessThanOrEqual(20 * html.length);
    expect(performance.now() - began).toBeLessThan(8000);
  });

  it('that multiplies its elements is refused', () => {
    const fonts = Array.from({ length: 5000 }, (_, at) => `<font size=${at}><p>`).join('');
    expect(() => htmlToText(fonts)).toThrow(expect.objectContaining({ name: Failure.name, code: 'DECODED_TOO_LARGE' }));
  });
});

describe('a page that is cut', () => {
  const page = (charset: string, text: string): string =>
    `<!DOCTYPE html><html lang=fr><head><meta charset="${charset}"><title>T</title></head><body><main><p>${text}</main></body></html>`;

  it('is one segment of its text, which says where it comes from', async () => {
    const html = page('utf-8', 'Élan');
    const [segment, ...others] = await segments(html, 'a/page.html', { text: { markup: 'text' } });
    expect(others).toEqual([]);
    expect(Buffer.from(segment?.bytes ?? []).toString()).toBe('Élan');
    expect(segment).toMatchObject({
      label: 'text',
      modality: 'text',
      mediaType: 'text/html',
      meta: { charset: 'utf-8', title: 'T', lang: 'fr' },
      origin: {
        start: 0,
        end: Buffer.byteLength(html),
        derived: expect.stringMatching(/^html -> text \(parse5 \d+\.\d+\.\d+\)$/),
      },
    });
  });

  it('keeps its bytes where nothing else is asked for', async () => {
    const html = page('utf-8', 'a');
    for (const options of [{}, { text: { markup: 'keep' } }, { text: { markup: { html: 'keep' } } }] as const) {
      expect(textOf(await segments(html, 'x.html', options))).toBe(html);
    }
  });

  it('is told by what it holds, whatever its name', async () => {
    expect(textOf(await segments(page('utf-8', 'a'), 'x', { text: { markup: 'text' } }))).toBe('a');
  });

  it('has everything where that is asked for', async () => {
    const html = `<body><nav>n</nav>${page('utf-8', 'a')}`;
    expect(textOf(await segments(html, 'x.html', { text: { markup: { html: 'all' } } }))).toBe('n\n\na');
    expect(textOf(await segments(html, 'x.html', { text: { markup: { markdown: 'text' } } }))).toContain('a');
  });

  it.each(['windows-1252', 'iso-8859-1', 'koi8-r', 'shift_jis'])('names its charset itself (%s)', async (charset) => {
    const text = { 'koi8-r': 'привет', shift_jis: 'これ' }[charset] ?? 'déjà vu';
    const bytes = { 'koi8-r': [208, 210, 201, 215, 197, 212], shift_jis: [0x82, 0xb1, 0x82, 0xea] }[charset];
    const html = Buffer.concat(
      page(charset, '|')
        .split('|')
        .flatMap((part, at) => [
          ...(at === 0 ? [] : [bytes === undefined ? Buffer.from(text, 'latin1') : Buffer.from(bytes)]),
          Buffer.from(part),
        ]),
    );
    const [segment] = await segments(html, 'x.html', { text: { markup: 'text' } });
    expect(Buffer.from(segment?.bytes ?? []).toString()).toBe(text);
    expect(segment?.meta.charset).toBe(charset === 'iso-8859-1' ? 'windows-1252' : charset);
  });

  it('of many pieces is cut behind lines', async () => {
    const html = `<main>${'<p>a paragraph of some length</p>'.repeat(50)}</main>`;
    const pieces = await segments(html, 'x.html', { maxSegmentBytes: 100, text: { markup: 'text' } });
    expect(pieces.length).toBeGreaterThan(10);
    for (const { bytes, origin } of pieces) {
      expect(bytes.length).toBeLessThanOrEqual(100);
      expect(origin).toMatchObject({ start: 0, end: html.length });
    }
  });

  it.each([
    ['without text', '<html><body><script>x</script></body></html>', {}, 'EMPTY_DOCUMENT'],
    ['that becomes too much', page('utf-8', 'x'.repeat(2000)), { decodedBytes: 1000 }, 'DECODED_TOO_LARGE'],
  ])('%s is refused', async (_what, html, limits, code) => {
    await expect(segments(html, 'x.html', { limits, text: { markup: 'text' } })).rejects.toMatchObject({ code });
  });

  it('that is damaged is refused, or read as browsers do', async () => {
    const html = Buffer.concat([Buffer.from(page('utf-8', 'größe und länge')), Buffer.from([0xff])]);
    const options = { text: { markup: 'text' } } as const;
    await expect(segments(html, 'x.html', options)).rejects.toMatchObject({ code: 'INVALID_UTF8' });
    expect(textOf(await segments(html, 'x.html', { ...options, invalidText: 'keep' }))).toContain('größe');
  });
});

describe('the charset that a page names', () => {
  it.each([
    ['<meta charset=utf-8>', 'utf-8'],
    ['<META  CharSet = "ISO-8859-2" >', 'iso-8859-2'],
    [`<meta http-equiv='Content-Type' content='text/html; charset=Shift_JIS'>`, 'shift_jis'],
    ['<?xml version="1.0" encoding="koi8-r"?>', 'koi8-r'],
    ['<!-- <meta charset=big5> --><meta charset=gbk>', 'gbk'],
    ['<meta charset=utf-16>', 'utf-8'],
    ['<meta charset=klingon>', undefined],
    ['<p>charset=big5', undefined],
    [`${' '.repeat(2000)}<meta charset=big5>`, undefined],
    ['<meta '.repeat(300), undefined],
  ])('in %s is %s', (html, charset) => {
    expect(declaredCharset(Buffer.from(html))).toBe(charset);
  });
});
