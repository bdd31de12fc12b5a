import { type Exchange, Refusal } from './exchange.ts';
import type { HubFile } from './files.ts';
import type { Commit } from './repository.ts';
import { commitFor, type HubState, repositoryFor, requireAccess, requireFreshLink, userOf } from './state.ts';

const PARQUET = 'refs/convert/parquet';

/** `GET /api/whoami-v2` */
export function whoAmI(exchange: Exchange, state: HubState): Promise<void> {
  const user = userOf(exchange, state);
  if (user === undefined) throw new Refusal(401, 'Invalid username or password.');
  const accessToken = { displayName: user.name, role: user.role };
  return exchange.json({
    type: 'user',
    name: user.name,
    id: '1',
    orgs: [],
    auth: { type: 'access_token', accessToken },
  });
}

/** `GET /api/datasets/<name>[/revision/<revision>]` */
export function info(exchange: Exchange, state: HubState, name: string, revision = 'main'): Promise<void> {
  const repository = repositoryFor(exchange, state, name);
  const commit = commitFor(repository, revision === 'HEAD' ? 'main' : revision);
  return exchange.json({
    _id: commit.id.slice(0, 24),
    id: name,
    sha: commit.id,
    private: repository.private,
    gated: repository.gated ? 'manual' : false,
    lastModified: '2025-01-02T03:04:05.000Z',
    createdAt: '2024-01-01T00:00:00.000Z',
    likes: 0,
    downloads: 0,
    tags: [],
    siblings: [...commit.files.keys()].map((rfilename) => ({ rfilename })),
  });
}

/** `GET /api/datasets/<name>/refs` */
export function refs(exchange: Exchange, state: HubState, name: string): Promise<void> {
  const repository = repositoryFor(exchange, state, name);
  const all = repository.branches.map((branch) => ({
    name: branch.replace('refs/convert/', ''),
    ref: branch.startsWith('refs/') ? branch : `refs/heads/${branch}`,
    targetCommit: commitFor(repository, branch).id,
  }));
  return exchange.json({
    branches: all.filter(({ ref }) => ref.startsWith('refs/heads/')),
    converts: all.filter(({ ref }) => ref.startsWith('refs/convert/')),
    tags: [],
  });
}

function entryOf(path: string, file: HubFile) {
  const lfs =
    file.pointerSize === undefined ? {} : { lfs: { oid: file.sha256, size: file.size, pointerSize: file.pointerSize } };
  return { type: 'file', oid: file.oid, size: file.size, path, ...lfs };
}

function directoryOf(path: string) {
  return { type: 'directory', oid: '0'.repeat(40), size: 0, path };
}

/** Entries below a folder, in byte order; of a listing that is not recursive, those right below it. */
function entries({ files }: Commit, folder: string, recursive: boolean): object[] {
  const prefix = folder === '' ? '' : `${folder}/`;
  const found = new Map<string, object>();
  for (const [path, file] of files) {
    if (!path.startsWith(prefix)) continue;
    const parts = path.slice(prefix.length).split('/');
    for (let depth = 1; depth < (recursive ? parts.length : Math.min(2, parts.length)); depth++) {
      const directory = prefix + parts.slice(0, depth).join('/');
      found.set(directory, directoryOf(directory));
    }
    if (recursive || parts.length === 1) found.set(path, entryOf(path, file));
  }
  return [...found.values()];
}

/** `GET /api/datasets/<name>/tree/<revision>[/<folder>]`, in pages */
export function tree(
  exchange: Exchange,
  state: HubState,
  name: string,
  revision: string,
  folder: string,
): Promise<void> {
  const commit = commitFor(repositoryFor(exchange, state, name), revision);
  const { searchParams } = exchange.url;
  const all = entries(commit, folder, searchParams.get('recursive') === 'true');
  if (folder !== '' && all.length === 0) throw new Refusal(404, `${folder} does not exist`, 'EntryNotFound');
  const from = Number(searchParams.get('cursor') ?? 0);
  const next = new URL(exchange.url.pathname + exchange.url.search, state.hub);
  next.searchParams.set('cursor', String(from + state.pageSize));
  return exchange.json(
    all.slice(from, from + state.pageSize),
    from + state.pageSize < all.length ? { link: `<${next}>; rel="next"` } : {},
  );
}

/** `POST /api/datasets/<name>/paths-info/<revision>` */
export async function pathsInfo(exchange: Exchange, state: HubState, name: string, revision: string): Promise<void> {
  const { files } = commitFor(repositoryFor(exchange, state, name), revision);
  const { paths } = (await exchange.bodyJson()) as { paths: readonly string[] };
  return exchange.json(
    paths.flatMap((path) => {
      const file = files.get(path);
      if (file !== undefined) return [entryOf(path, file)];
      return [...files.keys()].some((name) => name.startsWith(`${path}/`)) ? [directoryOf(path)] : [];
    }),
  );
}

/** `GET /api/datasets/<name>/parquet[/<config>[/<split>[/<number>.parquet]]]` */
export async function parquet(
  exchange: Exchange,
  state: HubState,
  name: string,
  path: readonly string[],
): Promise<void> {
  const [config, split, number] = path;
  const repository = repositoryFor(exchange, state, name);
  const splits: Record<string, Record<string, string[]>> = {};
  for (const file of commitFor(repository, PARQUET).files.keys()) {
    const [of = '', folder = '', file0] = file.split('/');
    if (file0?.endsWith('.parquet') !== true) continue;
    splits[of] ??= {};
    const named = folder.replace(/^partial-/, '');
    splits[of][named] ??= [];
    const urls = splits[of][named];
    if (of === config && named === split && number === `${urls.length}.parquet`) {
      const at = encodeURIComponent(PARQUET);
      return exchange.empty(302, { location: `${state.hub}/datasets/${name}/resolve/${at}/${file}` });
    }
    urls.push(`${state.hub}/api/datasets/${name}/parquet/${of}/${named}/${urls.length}.parquet`);
  }
  const found = config === undefined ? splits : split === undefined ? splits[config] : splits[config]?.[split];
  if (number !== undefined || found === undefined) throw new Refusal(404, 'Not found', 'EntryNotFound');
  return exchange.json(found);
}

/** `GET /datasets/<name>/resolve/<revision>/<path>`: a redirect to the CDN, or to the Hub's own cache for small files */
export async function resolve(
  exchange: Exchange,
  state: HubState,
  name: string,
  revision: string,
  path: string,
): Promise<void> {
  const repository = repositoryFor(exchange, state, name);
  requireAccess(exchange, state, repository);
  const { id, files } = commitFor(repository, revision);
  const file = files.get(path);
  if (file === undefined) throw new Refusal(404, 'Entry not found', 'EntryNotFound', { 'x-repo-commit': id });
  const { fault } = exchange;
  const etag = fault?.kind === 'etag' ? fault.value : file.pointerSize === undefined ? file.oid : file.sha256;
  const headers = {
    'x-repo-commit': id,
    'x-linked-size': String(file.size),
    'x-linked-etag': `"${etag}"`,
    'accept-ranges': 'bytes',
  };
  if (file.pointerSize === undefined) {
    const place = [name, id, path].join('/').split('/').map(encodeURIComponent).join('/');
    return exchange.empty(307, { ...headers, etag: `"${etag}"`, location: `/api/resolve-cache/datasets/${place}` });
  }
  const generation = fault?.kind === 'expired' ? -1 : state.links;
  exchange.empty(302, { ...headers, location: `${state.cdn}/files/${file.sha256}?generation=${generation}` });
}

/** `GET /api/resolve-cache/datasets/<name>/<commit>/<path>` */
export async function small(
  exchange: Exchange,
  state: HubState,
  name: string,
  commit: string,
  path: string,
): Promise<void> {
  const repository = repositoryFor(exchange, state, name);
  requireAccess(exchange, state, repository);
  const file = commitFor(repository, commit).files.get(path);
  if (file === undefined) throw new Refusal(404, 'Entry not found', 'EntryNotFound');
  await exchange.file(file, file.oid, { 'x-repo-commit': commit });
}

/** `GET /files/<sha256>?generation=` of the CDN */
export async function object(exchange: Exchange, state: HubState, sha256: string): Promise<void> {
  const file = state.objects.get(sha256);
  if (file === undefined) throw new Refusal(404, 'NoSuchKey');
  requireFreshLink(exchange, state);
  // A CDN has names of its own for what it keeps.
  await exchange.file(file, sha256.slice(0, 32));
}
