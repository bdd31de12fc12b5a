import MarkdownIt from 'markdown-it';
import { parse } from 'parse5';
import PostalMime from 'postal-mime';
import { htmlToText } from '../src/operators/pretokenize/text/markup/html.ts';
import { readMail } from '../src/operators/pretokenize/text/markup/mail.ts';
import { readMarkdown } from '../src/operators/pretokenize/text/markup/markdown.ts';
import type { Bench } from './harness.ts';

const MB = 1e6;

const paragraph =
  'Some words of a paragraph, <b>some of them</b> bold, and <a href="/x?y=1&amp;z=2">a link</a> among them.';
const section = `<section class="part"><h2>A heading</h2><p>${paragraph}</p><ul><li>One</li><li>Two</li></ul><div><p>${paragraph}</p><pre>let x = 1;\n</pre></div></section>`;
const page = `<!DOCTYPE html><html><head><title>T</title><style>a{}</style></head><body><nav>${'<a href=/>Home</a> '.repeat(30)}</nav><main>${section.repeat(600)}</main><footer>Imprint</footer></body></html>`;

const markdown =
  '# A heading\n\nSome *words* of a paragraph, [a link](http://x.org/y "t") and `code`.\n\n- One\n- Two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```js\nlet x = 1;\n```\n\n'.repeat(
    1500,
  );

const mail = Buffer.from(
  [
    'From: A <a@example.org>',
    'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Some words on a line of a mail of ordinary make.\r\n'.repeat(2000),
    '--b',
    'Content-Type: application/octet-stream; name=x.bin',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.alloc(150_000, 7).toString('base64').replace(/.{76}/g, '$&\r\n'),
    '--b--',
    '',
  ].join('\r\n'),
);

/** Text of markup against the parsers that it comes from. */
export default async function markup(bench: Bench): Promise<void> {
  const perSecond = (bytes: number) => ({ unit: 'MB/cpu-s', of: (seconds: number) => bytes / MB / seconds });
  // rounds of some milliseconds: as many as it takes until all of it is compiled
  const warm = { warmUp: 30, rounds: 30 } as const;
  await bench.compare({
    ...warm,
    case: 'the main text of HTML',
    measure: perSecond(page.length),
    run: () => htmlToText(page).length,
    peer: { name: 'parse5 alone', run: () => parse(page).childNodes.length },
  });
  const parser = new MarkdownIt({ html: true });
  await bench.compare({
    case: 'the text of Markdown',
    measure: perSecond(markdown.length),
    run: () => readMarkdown(markdown).text.length,
    peer: { name: 'markdown-it and parse5 alone', run: () => parse(parser.render(markdown)).childNodes.length },
  });
  await bench.compare({
    case: 'the text and attachments of a mail',
    measure: perSecond(mail.length),
    run: () => readMail(mail),
    peer: { name: 'postal-mime alone', run: () => PostalMime.parse(mail) },
  });
}
