import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { type HubFile, type Tree, treeFiles } from './files.ts';

/** A dataset as a test gives it. */
export interface RepositorySetup {
  /** Files of the branch `main`. */
  readonly files?: Tree;
  /** Files of other branches by name, such as `refs/convert/parquet`. */
  readonly branches?: Readonly<Record<string, Tree>>;
  /** Files need a token whose owner was given access; listings do not. */
  readonly gated?: boolean;
  /** It does not exist for whoever has no token with access. */
  readonly private?: boolean;
}

export interface Commit {
  readonly id: string;
  readonly message: string;
  readonly files: ReadonlyMap<string, HubFile>;
}

/** What repositories share. */
export interface ObjectStore {
  /** Bytes from which on a file is one of git-LFS whatever its name. */
  readonly lfsFrom: number;
  /** Files that git-LFS holds, of any commit, by SHA-256. */
  readonly objects: Map<string, HubFile>;
}

/** A dataset: branches that point to commits, all of which stay readable. */
export class Repository {
  readonly name: string;
  readonly gated: boolean;
  readonly private: boolean;
  readonly #store: ObjectStore;
  readonly #branches = new Map<string, Commit>();
  readonly #commits = new Map<string, Commit>();

  constructor(name: string, setup: RepositorySetup, store: ObjectStore) {
    this.name = name;
    this.gated = setup.gated ?? false;
    this.private = setup.private ?? false;
    this.#store = store;
    this.put(setup.files ?? {});
    for (const [branch, tree] of Object.entries(setup.branches ?? {})) this.put(tree, branch);
  }

  get branches(): readonly string[] {
    return [...this.#branches.keys()];
  }

  /** How many commits there are, of all branches. */
  get commits(): number {
    return this.#commits.size;
  }

  /** The commit that a branch or a commit's id means. */
  at(revision = 'main'): Commit | undefined {
    return this.#branches.get(revision) ?? this.#commits.get(revision);
  }

  /** A whole file of a branch or commit. */
  async read(path: string, revision = 'main'): Promise<Buffer> {
    const file = this.at(revision)?.files.get(path);
    if (file === undefined) throw new Error(`${this.name} has no ${path} at ${revision}`);
    return buffer(file.read(0, file.size));
  }

  /** Makes a commit whose files are exactly these. */
  put(tree: Tree, branch = 'main'): Commit {
    return this.add(branch, treeFiles(tree, this.#store.lfsFrom), 'put');
  }

  add(branch: string, files: ReadonlyMap<string, HubFile>, message: string): Commit {
    const sorted = new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
    const names = [...sorted].map(([path, { oid }]) => [path, oid]);
    const parent = this.#branches.get(branch)?.id;
    const id = createHash('sha1')
      .update(JSON.stringify([this.name, branch, parent, message, names]))
      .digest('hex');
    const commit = { id, message, files: sorted };
    this.#branches.set(branch, commit);
    this.#commits.set(id, commit);
    for (const file of sorted.values()) if (file.pointerSize !== undefined) this.#store.objects.set(file.sha256, file);
    return commit;
  }
}
