import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { commit, HubApiError } from '@huggingface/hub';
import { OutputError, SourceError } from '../../../errors.ts';
import { MANIFEST_FILE } from '../../../run/manifest.ts';
import { verifyOutput } from '../../../run/verify.ts';
import type { HttpSettings } from '../../http/settings.ts';
import { Hub, type HubFile } from '../hub.ts';
import { HubRefusal } from '../hubFetch.ts';
import { requireRepository } from '../location.ts';
import { refused } from '../refusals.ts';
import type { HubOptions } from '../settings.ts';
import { createRepository } from './createRepository.ts';
import { type Difference, differences, type LocalFile, localFiles } from './differences.ts';
import { pushFetch } from './pushFetch.ts';
import { Uploads } from './uploads.ts';

export interface PushOptions {
  /** Folder of the dataset to put the files into. Default: its top. */
  readonly path?: string | undefined;
  /** Branch to commit to; it must be there. Default `main`. */
  readonly revision?: string | undefined;
  /** First line of the commit's message. Default: the pipeline's name and how many files. */
  readonly message?: string | undefined;
  /** Make the dataset where there is none: `private`, or `public` for everyone to see. Default: it must be there. */
  readonly create?: 'private' | 'public' | undefined;
  readonly hub?: HubOptions | undefined;
  readonly http?: HttpSettings | undefined;
  /** Told what is to be sent before it is. */
  readonly onBegin?: ((difference: Difference) => void) | undefined;
  /** Told of bytes of files that are on their way; negative where they have to be sent again. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PushReport {
  readonly repository: string;
  /** The branch's commit now. */
  readonly commit: string;
  /** Whether there was anything to commit. */
  readonly committed: boolean;
  readonly created: boolean;
  /** Files that were sent, or only named where the Hub had their bytes already; and bytes of them. */
  readonly pushed: { readonly files: number; readonly bytes: number };
  /** Files that the branch had already, with the same hash. */
  readonly kept: number;
  /** Files beside the manifest that are of no part of the output, such as those of an earlier one. */
  readonly foreign: readonly string[];
}

/** Times that a commit is begun again because the branch has moved, or an upload's address has expired. */
const MOST_TRIES = 4;

/**
 * Puts a finished output into a dataset on the Hub in one commit: all files of its manifest, and `manifest.json`. Plan and
 * commits stay here: they serve to go on with a run, and name paths of this machine. The output is verified first; files
 * that the branch has already, by their hash, are left out, and where that is all of them, nothing is committed. What the new
 * commit holds is compared with the manifest.
 *
 * ```ts
 * const { commit, pushed } = await pushOutput('out', 'owner/name', { create: 'private' });
 * ```
 *
 * @throws OutputError `NO_PLAN`, `NOT_VERIFIED`; SourceError `NOT_AUTHORISED`, `FORBIDDEN`, `NOT_FOUND`, `CONFLICT`, `CORRUPT_UPLOAD`, and
 * those of the network
 */
export async function pushOutput(root: string, repository: string, options: PushOptions = {}): Promise<PushReport> {
  requireRepository(repository);
  const hub = new Hub(options.hub, options.http);
  const uploads = new Uploads(hub.httpSettings, options.onProgress);
  try {
    requireAccess(hub, repository);
    await requireVerified(root, options.signal);
    const files = await localFiles(root, options.path ?? '');
    return await new Push(hub, uploads, repository, files, options).run(root);
  } finally {
    await Promise.all([uploads.close(), hub.close()]);
  }
}

class Push {
  readonly #hub: Hub;
  readonly #uploads: Uploads;
  readonly #repository: string;
  readonly #files: readonly LocalFile[];
  readonly #options: PushOptions;
  readonly #branch: string;

  constructor(hub: Hub, uploads: Uploads, repository: string, files: readonly LocalFile[], options: PushOptions) {
    this.#hub = hub;
    this.#uploads = uploads;
    this.#repository = repository;
    this.#files = files;
    this.#options = options;
    this.#branch = options.revision ?? 'main';
  }

  async run(root: string): Promise<PushReport> {
    const { created, head } = await this.#head();
    let at = head;
    let begun: Difference | undefined;
    const report = (now: string, { changed, bytes, kept, foreign }: Difference): PushReport => ({
      repository: this.#repository,
      commit: now,
      committed: now !== head,
      created,
      pushed: { files: changed.length, bytes },
      kept,
      foreign,
    });
    for (let tries = 1; ; tries++) {
      const difference = await this.#differenceAt(at);
      // Where a commit was made whose answer was lost, nothing is left to do.
      if (difference.changed.length === 0) return report(at, begun ?? difference);
      begun = difference;
      this.#options.onBegin?.(difference);
      // The library listens for the signal, and does not look at it.
      this.#options.signal?.throwIfAborted();
      try {
        const summary = await title(root, this.#options.message, difference.changed.length);
        const made = await this.#commit(summary, difference.changed, at);
        await this.#check(made);
        return report(made, difference);
      } catch (error) {
        if (tries >= MOST_TRIES || !isWorthAnother(error)) throw this.#explained(error);
        at = await this.#hub.commitOf(this.#repository, this.#branch, this.#options.signal);
      }
    }
  }

  /** The branch's commit; the dataset is made where it is to be. */
  async #head(): Promise<{ readonly created: boolean; readonly head: string }> {
    const { create, signal } = this.#options;
    const created = create !== undefined && (await createRepository(this.#hub, this.#repository, create, signal));
    const head = await this.#hub.commitOf(this.#repository, this.#branch, signal).catch((error: unknown) => {
      const refusal = error instanceof SourceError ? error.cause : undefined;
      // Of a branch that is not there the error names those that are.
      throw refusal instanceof HubRefusal && refusal.kind !== 'RevisionNotFound' ? this.#explained(refusal) : error;
    });
    return { created, head };
  }

  async #differenceAt(revision: string): Promise<Difference> {
    return differences(this.#files, await this.#listing(revision), this.#options.path ?? '');
  }

  async #listing(revision: string): Promise<ReadonlyMap<string, HubFile>> {
    const remote = new Map<string, HubFile>();
    // The folder may not be there yet, so that all of the dataset is listed.
    for await (const file of this.#hub.files(this.#repository, revision, '', this.#options.signal))
      remote.set(file.path, file);
    return remote;
  }

  async #commit(summary: string, files: readonly LocalFile[], parent: string): Promise<string> {
    const { signal } = this.#options;
    const made = await commit({
      repo: { type: 'dataset', name: this.#repository },
      operations: files.map((file) => ({
        operation: 'addOrUpdate',
        path: file.remote,
        content: pathToFileURL(file.local),
      })),
      title: summary,
      branch: this.#branch,
      parentCommit: parent,
      hubUrl: this.#hub.settings.endpoint,
      // The protocol behind it needs a server of its own; git-LFS is understood by every Hub.
      useXet: false,
      fetch: pushFetch(this.#hub, this.#uploads, signal),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    });
    if (made === undefined) throw new TypeError('a commit to a dataset has a name');
    return made.commit.oid;
  }

  /** A file that was written to meanwhile would be there with other bytes than the manifest says. */
  async #check(made: string): Promise<void> {
    const [wrong] = (await this.#differenceAt(made)).changed;
    if (wrong === undefined) return;
    throw new SourceError(`'${wrong.remote}' has other bytes on the Hub than the manifest says`, {
      code: 'CORRUPT_UPLOAD',
      path: wrong.local,
      hint: 'It may have been written to meanwhile: check the output with sluice verify, and push again.',
    });
  }

  #explained(error: unknown): unknown {
    const { signal } = this.#options;
    if (signal?.aborted === true) return signal.reason;
    if (error instanceof HubRefusal && error.status === 412) {
      return new SourceError(`the branch '${this.#branch}' of '${this.#repository}' changes all the time`, {
        code: 'CONFLICT',
        path: this.#repository,
        hint: 'Push again when nobody else does.',
        cause: error,
      });
    }
    if (error instanceof HubRefusal)
      return refused(error, this.#hub.settings, {
        repository: this.#repository,
        revision: this.#branch,
        writing: true,
      });
    if (!(error instanceof HubApiError)) return error;
    return new SourceError(`the Hub refuses a file: ${error.message}`, {
      code: 'HTTP_STATUS',
      path: this.#repository,
      cause: error,
    });
  }
}

function isWorthAnother(error: unknown): boolean {
  if (error instanceof HubRefusal) return error.status === 412;
  return error instanceof SourceError && ['FORBIDDEN', 'NETWORK', 'STALLED'].includes(error.code);
}

function requireAccess({ settings }: Hub, repository: string): void {
  const { offline, tokenFrom, endpoint, tokenFile } = settings;
  if (offline) {
    throw new SourceError('nothing can be pushed while the Hub is not to be asked', {
      code: 'OFFLINE',
      path: repository,
      hint: 'Unset HF_HUB_OFFLINE.',
    });
  }
  if (tokenFrom !== undefined) return;
  throw new SourceError('the Hub takes files only from those it knows', {
    code: 'NOT_AUTHORISED',
    path: repository,
    hint: `Make a token that may write on ${endpoint}/settings/tokens and set HF_TOKEN to it, or write it into ${tokenFile}.`,
  });
}

async function requireVerified(root: string, signal: AbortSignal | undefined): Promise<void> {
  const { ok, findings, more } = await verifyOutput(root, { maxFindings: 1, signal });
  if (ok) return;
  const [first] = findings;
  throw new OutputError(`the output is not as its manifest says: ${first?.path} ${first?.message}`, {
    code: 'NOT_VERIFIED',
    path: root,
    hint: `${findings.length + more} findings in all, see sluice verify; a run that was not finished can be resumed.`,
  });
}

async function title(root: string, given: string | undefined, files: number): Promise<string> {
  if (given !== undefined) return given;
  // It was verified to be the very text that the plan and the commits give.
  const { pipeline } = JSON.parse(await readFile(path.join(root, MANIFEST_FILE), 'utf8')) as { pipeline: string };
  return `${pipeline}: ${files} ${files === 1 ? 'file' : 'files'}`;
}
