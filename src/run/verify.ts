import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { OutputError, SluiceError } from '../errors.ts';
import { type OpenQuantizers, quantizersOf } from '../formats/checkQuantized.ts';
import { fileChunks } from '../formats/fileChunks.ts';
import { REJECTS_FORMAT } from '../formats/names.ts';
import type { Artefact } from '../sinks/artefact.ts';
import { type CommitRecord, commitPath, readCommit, taskCommitNames } from './commitRecord.ts';
import { isTemporary } from './jobStage.ts';
import { LimitFollower } from './limitFollower.ts';
import { buildManifest, MANIFEST_FILE, manifestText } from './manifest.ts';
import { digestOf, PLAN_FILE, PLAN_REJECTS, type Plan, readPlan, recipeOf } from './plan.ts';
import { type CheckedSidecar, checkParts } from './shardParts.ts';
import { SidecarList } from './sidecarList.ts';
import { COUNTED_FORMATS, checkContent, checkRejects, numberOf } from './verifyContent.ts';

/** One thing that is wrong with an output. */
interface Finding {
  /** Relative to the output folder. */
  readonly path: string;
  /** Stable upper-case name, such as `HASH` or `MISSING_COMMIT`. */
  readonly code: string;
  /** What is wrong, as a sentence about the file. */
  readonly message: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** Findings beyond `maxFindings`, which are counted but not kept. */
  readonly more: number;
  readonly splits: { readonly planned: number; readonly committed: number };
  readonly files: number;
  readonly bytes: number;
  /** Sums over the commits, as in the manifest. */
  readonly totals: Readonly<Record<string, number>>;
}

export interface VerifyOptions {
  /** Findings to keep. Default 1000. */
  readonly maxFindings?: number | undefined;
  /** Called before each artefact is read. */
  readonly onFile?: ((artefact: Artefact) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Checks an output folder: size and SHA-256 of every artefact; commits against the plan and the manifest against both;
 * that no other files lie among them; every format's own rules, and those between files (sidecars and signals against
 * the patches beside them, totals against what the files hold). Files are streamed; the largest things held are 12 bytes
 * for each patch of one shard (its embeddings, too, where patches are linked by them), one row group of a Parquet file,
 * what making a database of a whole run takes, what quantizers have learned, and the commit records.
 *
 * @throws OutputError `NO_PLAN` where the folder holds no output, `BAD_PLAN` where its plan cannot be read
 */
export async function verifyOutput(root: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const plan = await readPlan(root);
  if (plan === undefined) {
    throw new OutputError(`there is no output in '${root}'`, {
      code: 'NO_PLAN',
      path: root,
      hint: `an output folder holds ${PLAN_FILE}; give the folder that 'sluice run' wrote to`,
    });
  }
  return new Verification(root, plan, options).run();
}

class Verification {
  readonly #root: string;
  readonly #plan: Plan;
  readonly #options: VerifyOptions;
  readonly #findings: Finding[] = [];
  readonly #follower: LimitFollower;
  readonly #sidecars = new SidecarList();
  readonly #quantizers: OpenQuantizers;
  #more = 0;
  #files = 0;
  #bytes = 0;

  constructor(root: string, plan: Plan, options: VerifyOptions) {
    this.#root = root;
    this.#plan = plan;
    this.#options = options;
    this.#follower = new LimitFollower(plan.limit);
    this.#quantizers = quantizersOf(root);
  }

  async run(): Promise<VerifyReport> {
    const { digest, splits, left_out } = this.#plan;
    if (digestOf(recipeOf(this.#plan)) !== digest)
      this.#find(PLAN_FILE, 'DIGEST', 'has a digest that does not belong to what it says');
    const commits: CommitRecord[] = [];
    for (const { id } of splits) {
      const commit = await this.#commit(id);
      if (commit !== undefined) this.#checkLimit(commit);
      this.#follower.pass(commit);
      if (commit === undefined) continue;
      commits.push(commit);
      await this.#checkCommit(commit);
    }
    const besides = await this.#besides();
    for (const commit of besides) await this.#checkFiles(commit);
    if (left_out > 0) {
      const file = path.join(this.#root, PLAN_REJECTS);
      await checkRejects(file, left_out, (code, what) => this.#find(PLAN_REJECTS, code, what));
    }
    const manifest = buildManifest(this.#plan, commits, besides);
    await this.#checkManifest(manifestText(manifest));
    await this.#checkStray([...commits, ...besides]);
    return {
      ok: this.#findings.length + this.#more === 0,
      findings: this.#findings,
      more: this.#more,
      splits: { planned: splits.length, committed: commits.length },
      files: this.#files,
      bytes: this.#bytes,
      totals: manifest.totals,
    };
  }

  #find(file: string, code: string, message: string): void {
    if (this.#findings.length < (this.#options.maxFindings ?? 1000)) this.#findings.push({ path: file, code, message });
    else this.#more++;
  }

  /** Commits of passes and stages besides the run proper: of each folder of files, those in a folder of the same name. */
  async #besides(): Promise<CommitRecord[]> {
    const commits: CommitRecord[] = [];
    for (const name of await taskCommitNames(this.#root)) {
      const commit = await this.#commit(name);
      if (commit !== undefined) commits.push(commit);
    }
    return commits;
  }

  async #commit(id: string): Promise<CommitRecord | undefined> {
    try {
      const commit = await readCommit(this.#root, id);
      if (commit === undefined && this.#follower.due)
        this.#find(commitPath(id), 'MISSING_COMMIT', 'is missing: the split has not been finished');
      return commit;
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      this.#find(commitPath(id), error.code, error.message);
      return undefined;
    }
  }

  #checkLimit({ split, counts }: CommitRecord): void {
    const read = counts['documents_read'] ?? 0;
    const { left } = this.#follower;
    if (left === 0) this.#find(commitPath(split), 'LIMIT', `lies behind the limit of ${this.#plan.limit} documents`);
    else if (read > left)
      this.#find(commitPath(split), 'LIMIT', `reads ${read} documents, and the limit leaves ${left} to it`);
  }

  async #checkCommit(commit: CommitRecord): Promise<void> {
    const { split, artefacts, rejects } = commit;
    for (const { path: file } of artefacts) {
      if (!path.posix.basename(file).startsWith(split)) this.#find(file, 'NAME', `does not carry its split, ${split}`);
    }
    checkParts(await this.#checkFiles(commit), (file, what) => this.#find(file, 'PARTS', what));
    this.#checkCounts(commit);
    const listed = artefacts.find((artefact) => artefact.info.format === REJECTS_FORMAT);
    const counted = listed === undefined ? 0 : numberOf(listed, 'rejects');
    if (counted !== rejects)
      this.#find(commitPath(split), 'REJECTS', `counts ${rejects} rejects, and its files hold ${counted}`);
  }

  /** Hashes and contents of what one commit lists. */
  async #checkFiles({ artefacts }: CommitRecord): Promise<CheckedSidecar[]> {
    const sound = new Map<string, Artefact>();
    for (const artefact of artefacts) {
      this.#options.signal?.throwIfAborted();
      this.#options.onFile?.(artefact);
      if (await this.#isGone(artefact)) continue;
      const isSound = await this.#checkHash(artefact);
      if (isSound) sound.set(artefact.path, artefact);
      this.#sidecars.add(artefact, isSound);
    }
    // A file whose bytes are not those that were committed has been told of; what it holds says nothing more.
    const ends: CheckedSidecar[] = [];
    for (const artefact of sound.values()) {
      this.#options.signal?.throwIfAborted();
      const shard = numberOf(artefact, 'shard');
      const dir = path.posix.dirname(artefact.path);
      const last = ends.at(-1);
      const before = last?.shard === shard - 1 && path.posix.dirname(last.path) === dir ? last.ends : undefined;
      const note = (code: string, what: string): void => this.#find(artefact.path, code, what);
      const found = await checkContent(this.#root, artefact, sound, note, {
        before,
        sidecars: (folder) => this.#sidecars.of(folder),
        quantizers: this.#quantizers,
        pause: async () => {
          await setImmediate();
          this.#options.signal?.throwIfAborted();
        },
      });
      if (found !== undefined) ends.push({ shard, path: artefact.path, ends: found });
    }
    return ends;
  }

  /** A temporary file goes once everything is committed, right before the manifest is written. */
  async #isGone(artefact: Artefact): Promise<boolean> {
    if (!isTemporary(artefact)) return false;
    return (await stat(path.join(this.#root, artefact.path)).catch(() => undefined)) === undefined;
  }

  async #checkHash({ path: file, bytes, sha256 }: Artefact): Promise<boolean> {
    const absolute = path.join(this.#root, file);
    const size = (await stat(absolute).catch(() => undefined))?.size;
    this.#files++;
    if (size === undefined) {
      this.#find(file, 'MISSING_FILE', 'is missing, and its split is committed');
      return false;
    }
    this.#bytes += size;
    if (size !== bytes) {
      this.#find(file, 'SIZE', `has ${size} bytes, and was committed with ${bytes}`);
      return false;
    }
    const hash = createHash('sha256');
    for await (const chunk of fileChunks(absolute)) hash.update(chunk);
    if (hash.digest('hex') === sha256) return true;
    this.#find(file, 'HASH', 'has other bytes than were committed: its SHA-256 differs');
    return false;
  }

  /** What a commit counts is what its files hold, whichever sink wrote them. */
  #checkCounts({ split, artefacts, counts }: CommitRecord): void {
    for (const format of COUNTED_FORMATS) {
      const folders = Map.groupBy(
        artefacts.filter(({ info }) => info.format === format),
        (file) => path.posix.dirname(file.path),
      );
      for (const [folder, files] of folders) {
        for (const key of ['documents', 'patches', 'bytes']) {
          // Files of documents have no patches to count.
          if (files.every(({ info }) => info[key] === undefined)) continue;
          const held = files.reduce((sum, file) => sum + numberOf(file, key), 0);
          if (held === counts[key]) continue;
          this.#find(
            commitPath(split),
            'COUNTS',
            `counts ${counts[key] ?? 'no'} ${key}, and its ${format} files in ${folder} hold ${held}`,
          );
        }
      }
    }
  }

  async #checkManifest(expected: string): Promise<void> {
    const text = await readFile(path.join(this.#root, MANIFEST_FILE), 'utf8').catch(() => undefined);
    if (text === expected) return;
    if (text !== undefined) this.#find(MANIFEST_FILE, 'MANIFEST', 'is not what the plan and the commits make it');
    else if (this.#follower.complete)
      this.#find(MANIFEST_FILE, 'MISSING_MANIFEST', 'is missing: run the same command again to write it');
  }

  async #checkStray(commits: readonly CommitRecord[]): Promise<void> {
    const known = new Set(
      commits.flatMap((commit) => [commitPath(commit.split), ...commit.artefacts.map((artefact) => artefact.path)]),
    );
    for (const { id } of this.#plan.splits) known.add(commitPath(id));
    if (this.#plan.left_out > 0) known.add(PLAN_REJECTS);
    const folders = new Set([...known].map((file) => path.posix.dirname(file)));
    for (const { options } of [...this.#plan.sinks, ...this.#plan.stages]) {
      const dir = (options as { dir?: unknown } | null)?.dir;
      if (typeof dir === 'string') folders.add(dir);
    }
    folders.delete('.');
    for (const folder of new Set([...folders, 'commits', 'rejects', '.tmp'])) {
      const names = await readdir(path.join(this.#root, folder)).catch(() => []);
      for (const name of names.sort()) {
        const file = `${folder}/${name}`;
        if (!known.has(file) && !folders.has(file)) this.#find(file, 'STRAY', 'belongs to no commit');
      }
    }
  }
}
