import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, posix, relative, resolve, sep } from 'node:path';
import picomatch from 'picomatch';
import { SourceError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import type { OptionNames } from '../knownOptions.ts';
import { schemeOf } from '../storage/location.ts';
import { REMOTE_OPTIONS, type RemoteOptions } from '../storage/remoteOptions.ts';
import type { Stores } from '../storage/stores.ts';
import { didYouMean } from '../suggest.ts';
import { shardNames } from './shard-names.ts';
import type { PlanContext } from './source.ts';
import { type FoundFile, found, unreadable, walk } from './walk.ts';

/** A file, a folder or a glob pattern, or several of them; also URLs. Names may hold ranges: `part-{000..012}.csv`. */
export type Inputs = string | readonly string[];

export interface ListOptions {
  /** Globs on the path relative to the folder; one without `/` is matched against the file name alone. Default: all. */
  readonly include?: Inputs | undefined;
  /** Globs of files and folders to leave out. Default: none. */
  readonly exclude?: Inputs | undefined;
  /** Also read the folders below. Default: true. */
  readonly recursive?: boolean | undefined;
  /** Read what symbolic links point to; otherwise each is rejected as `LINK_SKIPPED`. Default: false. */
  readonly followLinks?: boolean | undefined;
  /** Also read names that begin with a dot. Default: false. */
  readonly hidden?: boolean | undefined;
  /** How inputs that are URLs are reached. */
  readonly remote?: RemoteOptions | undefined;
}

export const LIST_OPTIONS = {
  include: true,
  exclude: true,
  recursive: true,
  followLinks: true,
  hidden: true,
  remote: REMOTE_OPTIONS,
} as const satisfies OptionNames<ListOptions>;

const all = (inputs: Inputs | undefined): readonly string[] =>
  inputs === undefined ? [] : typeof inputs === 'string' ? [inputs] : inputs;

/** The part of a source's options that decides which files it reads. */
export function listJson(inputs: Inputs, options: ListOptions): { readonly [key: string]: JsonValue } {
  return {
    inputs: all(inputs),
    include: all(options.include),
    exclude: all(options.exclude),
    recursive: options.recursive ?? true,
    followLinks: options.followLinks ?? false,
    hidden: options.hidden ?? false,
  };
}

function matcher(globs: readonly string[], hidden: boolean): (uri: string) => boolean {
  const tests = globs.map((glob) => picomatch(glob, { dot: hidden, basename: !glob.includes('/') }));
  return (uri) => tests.some((test) => test(uri));
}

interface Input {
  /** Absolute path or URL. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'remote';
  /** Matches paths relative to `path`. */
  readonly glob?: ((uri: string) => boolean) | undefined;
}

async function notFound(path: string): Promise<SourceError> {
  const siblings = await readdir(dirname(path)).catch(() => undefined);
  const hint =
    siblings === undefined ? `'${dirname(path)}' does not exist either.` : didYouMean(basename(path), siblings);
  return new SourceError(`'${path}' does not exist`, { code: 'NOT_FOUND', path, hint });
}

/** A range such as `{000..012}` in a name. */
const RANGE = /\{[^{},]*\.\.[^{},]*\}/;

/** What an input stands for; each name of a range is looked for by itself, so that none is missing without a word. */
async function understandAll(input: string, hidden: boolean): Promise<readonly Input[]> {
  const isThere = async (): Promise<boolean> =>
    schemeOf(input) === undefined && (await stat(input).catch(() => undefined)) !== undefined;
  if (!RANGE.test(input) || (await isThere())) return [await understand(input, hidden)];
  const inputs: Input[] = [];
  for (const name of shardNames(input)) inputs.push(await understand(name, hidden));
  return inputs;
}

async function understand(input: string, hidden: boolean): Promise<Input> {
  if (schemeOf(input) !== undefined) return { path: input, kind: 'remote' };
  const path = resolve(input);
  // The file system goes first: a name with brackets may be a file.
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new SourceError(unreadable(input, error).message, { code: 'UNREADABLE', path: input, cause: error });
  });
  if (stats !== undefined) return { path, kind: stats.isDirectory() ? 'folder' : 'file' };
  const { base, glob, isGlob } = picomatch.scan(input);
  if (!isGlob) throw await notFound(path);
  const folder = resolve(base);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw await notFound(folder);
  return { path: folder, kind: 'folder', glob: picomatch(glob, { dot: hidden }) };
}

function commonFolder(inputs: readonly Input[]): string {
  const local = inputs.filter(({ kind }) => kind !== 'remote');
  if (local.length === 0) return '';
  const folders = local.map((input) => (input.kind === 'file' ? dirname(input.path) : input.path).split(sep));
  const [first = [], ...others] = folders;
  let depth = first.length;
  for (const other of others) {
    let same = 0;
    while (same < depth && same < other.length && first[same] === other[same]) same++;
    depth = same;
  }
  return first.slice(0, depth).join(sep) || sep;
}

const slashed = (path: string): string => (sep === '/' ? path : path.split(sep).join('/'));

export interface Listing {
  /** Folder or URL that every `uri` is relative to that is no URL by itself. */
  readonly root: string;
  /** What paths in records are relative to. Default: see `baseOf`. */
  readonly base?: string | undefined;
  readonly files: AsyncIterable<FoundFile>;
}

/**
 * Lists the files that inputs mean, each once, in the order of the inputs and then of their paths' bytes.
 *
 * @param usual Which files of a folder a format reads where `include` says nothing.
 * @throws SourceError `NOT_FOUND`, `UNREADABLE`, `SPECIAL_FILE`; PipelineError `BAD_PATTERN` for ranges of too many names.
 */
export async function list(
  inputs: Inputs,
  options: ListOptions,
  context: PlanContext,
  usual: (uri: string) => boolean,
  stores: Stores,
): Promise<Listing> {
  const hidden = options.hidden ?? false;
  const understood = (await Promise.all(all(inputs).map((input) => understandAll(input, hidden)))).flat();
  const root = commonFolder(understood);
  const include = all(options.include);
  const included = include.length === 0 ? undefined : matcher(include, hidden);
  const excluded = matcher(all(options.exclude), hidden);
  async function* files(): AsyncGenerator<FoundFile> {
    const seen = new Set<string>();
    for (const input of understood) {
      for await (const file of filesOf(input)) {
        if (understood.length > 1) {
          if (seen.has(file.location)) continue;
          seen.add(file.location);
        }
        yield input.kind === 'remote' ? file : { ...file, uri: slashed(relative(root, file.location)) };
      }
    }
  }
  async function* filesOf(input: Input): AsyncGenerator<FoundFile> {
    if (input.kind === 'remote') {
      const { isGlob } = picomatch.scan(input.path);
      for await (const file of stores.list(input.path, context.signal)) {
        const isNamed = isGlob || posix.basename(file.location) === posix.basename(input.path);
        const wanted = included ?? (isNamed ? () => true : usual);
        if (wanted(file.uri) && !excluded(file.uri)) yield file;
      }
      return;
    }
    if (input.kind === 'file') {
      const stats = await stat(input.path);
      if (!stats.isFile()) {
        throw new SourceError(`'${input.path}' is neither a file nor a folder`, {
          code: 'SPECIAL_FILE',
          path: input.path,
          hint: 'To read a stream, use stdin().',
        });
      }
      yield found(input.path, basename(input.path), stats);
      return;
    }
    const wanted = included ?? (input.glob === undefined ? usual : () => true);
    yield* walk(input.path, {
      recursive: options.recursive ?? true,
      followLinks: options.followLinks ?? false,
      hidden,
      matches: (uri) => (input.glob?.(uri) ?? true) && wanted(uri) && !excluded(uri),
      skips: (uri) => excluded(uri) || excluded(`${uri}/`),
      reject: (error) => context.reject(error),
      signal: context.signal,
    });
  }
  return { root, files: files() };
}
