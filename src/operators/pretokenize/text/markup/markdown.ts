import MarkdownIt from 'markdown-it';
import { parse } from 'yaml';
import { Failure } from '../../../../sources/failure.ts';
import { readHtml } from './html.ts';

/** Blocks in blocks; a list counts twice, as itself and its item. */
const MAX_NESTING = 100;
/** Characters of front matter of which a title is taken. */
const MAX_FRONT_MATTER = 16 << 10;

const markdown = new MarkdownIt({ html: true, maxNesting: MAX_NESTING });

interface Parted {
  readonly body: string;
  readonly title?: string | undefined;
}

/** Parts the facts at the beginning (YAML between `---`, TOML between `+++`) from the text behind them. */
function withoutFrontMatter(source: string): Parted {
  const [whole, yaml] =
    /^---[ \t]*\r?\n(?=[\w"'#-][^\n]*)([\s\S]*?\r?\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/.exec(source) ??
    /^\+\+\+[ \t]*\r?\n[\s\S]*?\r?\n\+\+\+[ \t]*(?:\r?\n|$)/.exec(source) ??
    [];
  if (whole === undefined) return { body: source };
  // what stands between two rules is no mapping
  if (yaml !== undefined && !/^["']?[\w-][\w -]*["']?[ \t]*:(?:[ \t\r]|$)/m.test(yaml)) return { body: source };
  return { body: source.slice(whole.length), title: yaml === undefined ? undefined : titleOf(yaml) };
}

function titleOf(yaml: string): string | undefined {
  if (yaml.length > MAX_FRONT_MATTER) return undefined;
  try {
    const facts: unknown = parse(yaml, { logLevel: 'silent' });
    const title = typeof facts === 'object' && facts !== null && 'title' in facts ? facts.title : undefined;
    return typeof title === 'string' && title !== '' ? title : undefined;
  } catch {
    // facts that cannot be read are no reason to refuse the text
    return undefined;
  }
}

/**
 * The text of Markdown (CommonMark 0.31 with tables and strikethrough of GitHub's flavour) as a reader sees it: laid out as
 * `htmlToText` does, HTML in it included. Front matter is left out; its title is told.
 *
 * @throws Failure `NESTED_TOO_DEEP` where blocks lie more than 100 deep in one another
 */
export function readMarkdown(source: string): { readonly text: string; readonly title?: string | undefined } {
  const { body, title } = withoutFrontMatter(source);
  const env = {};
  const tokens = markdown.parse(body, env);
  // the parser leaves out what lies deeper, without a word
  if (tokens.some(({ nesting, level }) => nesting === 1 && level + 1 >= MAX_NESTING)) {
    throw new Failure(
      'NESTED_TOO_DEEP',
      `blocks of the Markdown lie ${MAX_NESTING} or more deep in one another`,
      'Keep its bytes with pretokenize({ text: { markup: { markdown: "keep" } } }).',
    );
  }
  const { text } = readHtml(markdown.renderer.render(tokens, markdown.options, env), { html: 'all' });
  return { text, ...(title === undefined ? {} : { title }) };
}
