import { type Exchange, Refusal } from './exchange.ts';
import type { Commit, ObjectStore, Repository } from './repository.ts';

/** Someone whom the Hub knows by a token. */
export interface User {
  readonly name: string;
  readonly role: 'read' | 'write';
  /** Private and gated repositories that are open to them. */
  readonly access: readonly string[] | 'all';
}

/** All that the servers of the Hub share. */
export interface HubState extends ObjectStore {
  readonly repositories: Map<string, Repository>;
  readonly users: ReadonlyMap<string, User>;
  readonly pageSize: number;
  readonly partSize: number | undefined;
  /** Folder for uploads. */
  readonly folder: string;
  /** Origins, such as `http://127.0.0.1:4000`. */
  hub: string;
  cdn: string;
  /** Links of earlier generations have expired. */
  links: number;
}

/** Who asks, by the token; undefined without one. */
export function userOf(exchange: Exchange, { users }: HubState): User | undefined {
  const { token } = exchange;
  if (token === undefined) return undefined;
  const user = users.get(token);
  if (user === undefined) throw new Refusal(401, 'Invalid credentials in Authorization header');
  return user;
}

function hasAccess(user: User | undefined, { name }: Repository): boolean {
  return user !== undefined && (user.access === 'all' || user.access.includes(name));
}

/** A repository that whoever asks may know of. */
export function repositoryFor(exchange: Exchange, state: HubState, name: string): Repository {
  const user = userOf(exchange, state);
  const repository = state.repositories.get(name);
  if (repository === undefined || (repository.private && !hasAccess(user, repository))) {
    // Without a token it is not said whether there is one.
    throw user === undefined
      ? new Refusal(401, 'Invalid username or password.')
      : new Refusal(404, 'Repository not found', 'RepoNotFound');
  }
  return repository;
}

/** Whoever may read its files passes. */
export function requireAccess(exchange: Exchange, state: HubState, repository: Repository): void {
  const user = userOf(exchange, state);
  if (!repository.gated || hasAccess(user, repository)) return;
  const restricted = `Access to dataset ${repository.name} is restricted`;
  throw user === undefined
    ? new Refusal(401, `${restricted}. You must have access to it and be authenticated to access it.`, 'GatedRepo')
    : new Refusal(403, `${restricted} and you are not in the authorized list.`, 'GatedRepo');
}

/** Whoever may write to it passes. */
export function requireWriter(exchange: Exchange, state: HubState, name: string): void {
  const user = userOf(exchange, state);
  if (user === undefined) throw new Refusal(401, 'Invalid username or password.');
  if (user.role !== 'write') {
    throw new Refusal(403, `You don't have the rights to write to ${name}. The token is one for reading.`);
  }
}

/** Links are signed by what they hold, so that whoever has one passes, for a while. */
export function requireFreshLink({ url }: Exchange, { links }: HubState): void {
  if (Number(url.searchParams.get('generation')) !== links) throw new Refusal(403, 'Request has expired');
}

export function commitFor(repository: Repository, revision: string): Commit {
  const commit = repository.at(revision);
  if (commit === undefined) throw new Refusal(404, `Invalid rev id: ${revision}`, 'RevisionNotFound');
  return commit;
}
