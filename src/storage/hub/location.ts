import { SourceError } from '../../errors.ts';

/** A file, a pattern or a whole dataset on the Hub. */
export interface HubLocation {
  /** `owner/name` */
  readonly repository: string;
  /** Branch, tag or commit; undefined where none is named. */
  readonly revision: string | undefined;
  /** Path or pattern within the dataset, without a slash at its beginning; empty for all of it. */
  readonly path: string;
}

export const COMMIT = /^[0-9a-f]{40}$/;

const PREFIX = 'hf://datasets/';
const NAME = /^[\w-][\w.-]{0,95}$/;
/** Revisions with slashes in them that need no coding; all others do. */
const SPECIAL_REVISION = /^(refs\/(?:convert\/[\w-]+|pr\/\d+))(?:\/|$)/;

/**
 * Checks the name of a dataset: owner and name, each of letters, digits, `-`, `_` and `.`.
 *
 * @throws SourceError `BAD_REPOSITORY`
 */
export function requireRepository(text: string): string {
  const parts = text.split('/');
  // `--` joins owner and name in the names of folders of the cache.
  const sound = parts.every((part) => NAME.test(part) && !/--|\.\.|[.]$/.test(part));
  if (parts.length === 2 && sound) return text;
  throw new SourceError(`'${text}' is no name of a dataset on the Hub`, {
    code: 'BAD_REPOSITORY',
    path: text,
    hint:
      parts.length === 1 && sound
        ? 'Name its owner, too: owner/name, as in the address of its page.'
        : 'Give owner/name, as in the address of its page.',
  });
}

/**
 * Takes `hf://datasets/owner/name[@revision][/path]` apart. Slashes within a revision are coded (`refs%2Fconvert%2Fparquet`), those of
 * `refs/convert/...` and `refs/pr/...` need not be; paths are taken as they are.
 *
 * @throws SourceError `BAD_LOCATION`, `BAD_REPOSITORY`
 */
export function parseHubLocation(text: string): HubLocation {
  if (!text.startsWith(PREFIX)) throw badLocation(text, `Only datasets are read: ${PREFIX}owner/name/path.`);
  const [, repository = '', mark, tail = ''] = /^([^/@]*\/?[^/@]*)([@/]?)(.*)$/s.exec(text.slice(PREFIX.length)) ?? [];
  requireRepository(repository);
  if (mark !== '@') return { repository, revision: undefined, path: tail };
  const coded = SPECIAL_REVISION.exec(tail)?.[1] ?? tail.split('/', 1)[0] ?? '';
  return { repository, revision: decoded(coded, text), path: tail.slice(coded.length + 1) };
}

function decoded(coded: string, text: string): string {
  let revision: string;
  try {
    revision = decodeURIComponent(coded);
  } catch {
    throw badLocation(text, `'${coded}' is not coded as in addresses.`);
  }
  if (isRevision(revision)) return revision;
  throw badLocation(text, `'${revision}' is no name of a branch, a tag or a commit.`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const NOT_IN_REVISIONS = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[/.-]|[/.]$|\/\.|\.lock(\/|$)/;

/** Whether git takes it for a name (git-check-ref-format(1)), and nothing else would take it for a way out of a folder. */
export function isRevision(text: string): boolean {
  return text !== '' && text.length <= 255 && !NOT_IN_REVISIONS.test(text);
}

function badLocation(text: string, hint: string): SourceError {
  return new SourceError(`'${text}' is no address of a dataset on the Hub`, { code: 'BAD_LOCATION', path: text, hint });
}

/** The URL that `parseHubLocation` takes apart. */
export function hubLocation({ repository, revision, path }: HubLocation): string {
  const at = revision === undefined ? '' : `@${encodeURIComponent(revision)}`;
  return `${PREFIX}${repository}${at}${path === '' ? '' : `/${path}`}`;
}

const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$/i;

/** Whether a name is no plain name of a file: it leads elsewhere, or the system cannot have it. */
function isUnsafe(name: string, platform: NodeJS.Platform): boolean {
  if (name === '' || name === '.' || name === '..' || Buffer.byteLength(name) > 255) return true;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return true;
  return platform === 'win32' && (/[<>:"|?*\\]|[. ]$/.test(name) || RESERVED.test(name));
}

/**
 * Checks a path from a listing before it becomes one of this machine, or part of an address: relative, and of plain names.
 *
 * @throws SourceError `UNSAFE_PATH`
 */
export function requireSafePath(path: string, platform = process.platform): string {
  if (!path.split('/').some((name) => isUnsafe(name, platform))) return path;
  throw new SourceError(`the dataset has a file with the unsafe name ${JSON.stringify(path)}`, {
    code: 'UNSAFE_PATH',
    path,
    hint: 'Leave it out with files; only its owner can rename it.',
  });
}
