import { mainContent } from './htmlMain.ts';
import { contentText } from './htmlText.ts';
import { attribute, childOf, parseHtml } from './htmlTree.ts';
import { asHtml } from './xhtml.ts';

export interface HtmlTextOptions {
  /**
   * `main` takes the content of a page without what surrounds it: navigation, headers, footers, asides, dialogs, blocks of
   * links. `all` takes everything that a reader sees. Default: `main`.
   */
  readonly html?: 'main' | 'all' | undefined;
}

/** A page as text. */
export interface HtmlText {
  readonly text: string;
  /** Of its `title` element. */
  readonly title?: string | undefined;
  /** What the `lang` attribute of the page says: a BCP 47 tag. */
  readonly lang?: string | undefined;
}

const collapsed = (text: string): string => text.replace(/[\t\n\f\r ]+/g, ' ').trim();

/** The text of an HTML page, and what the page says of itself. @throws Failure `DECODED_TOO_LARGE` where elements multiply */
export function readHtml(html: string, { html: mode = 'main' }: HtmlTextOptions = {}): HtmlText {
  const page = parseHtml(asHtml(html));
  const root = childOf(page, 'html');
  const title = childOf(childOf(root, 'head'), 'title')?.childNodes.find((node) => 'value' in node)?.value;
  const lang = root === undefined ? undefined : attribute(root, 'lang');
  const text = contentText(mode === 'main' ? mainContent(page) : { roots: [page], isLeftOut: ({ unseen }) => unseen });
  return {
    text: text.trimEnd(),
    ...(title === undefined || collapsed(title) === '' ? {} : { title: collapsed(title) }),
    ...(lang === undefined || collapsed(lang) === '' ? {} : { lang: collapsed(lang) }),
  };
}

/**
 * The text of an HTML page: blocks on lines of their own, paragraphs apart, items marked with `-` or numbers, cells of a row
 * apart by tabs, pictures by their alternative text, preformatted text as it is; without scripts, styles, controls and what
 * is hidden. Parsed as browsers do, however broken; XHTML may have elements that close themselves.
 *
 *     htmlToText('<main><h1>A</h1><p>b <b>c</b></main><footer>d</footer>'); // 'A\n\nb c'
 *
 * @throws Failure `DECODED_TOO_LARGE` where a page is made to become far more elements than it has tags
 */
export function htmlToText(html: string, options?: HtmlTextOptions): string {
  return readHtml(html, options).text;
}
