import path from 'node:path';
import { PipelineError, RecordError, SourceError } from '../errors.ts';
import { MAX_EXPANSION } from '../sources/compression.ts';
import { Failure } from '../sources/failure.ts';
import { checkedLimit } from '../sources/folder.ts';
import type { OpenFile } from '../sources/open-file.ts';
import { cacheRoot } from '../storage/cacheRoot.ts';
import { archiveKind } from './index/buildIndex.ts';
import { type Entry, memberName } from './index/entry.ts';
import type { IndexFile } from './index/indexFile.ts';
import { openIndex } from './index/indexFolder.ts';
import type { Damage } from './index/layout.ts';
import { MemberContent } from './index/memberContent.ts';

export interface ArchiveSettings {
  /** Folder for what is kept between runs; indexes lie in `archives` below. Default: `SLUICE_CACHE`, see `cacheRoot`. */
  readonly cache?: string | undefined;
  /** Unpacked bytes per packed byte at most. Default: 250. */
  readonly maxExpansion?: number | undefined;
  /** Bytes on the disk at most for what must be kept of one compressed archive. Default: 64 GiB. */
  readonly maxPackBytes?: number | undefined;
  /** Bytes of a member that `read` reads at most. Default: 1 GiB. */
  readonly maxMemberBytes?: number | undefined;
  /** Bytes of unpacked content kept in memory, for members that lie beside each other in a compressed archive. Default: 16 MiB. */
  readonly keptBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file in an archive. */
export interface ArchiveMember {
  readonly name: string;
  /** Offset in the (decompressed) archive of its content, of a ZIP member of its header. */
  readonly offset: number;
  readonly size: number;
  /** SHA-256 in lower-case hex; undefined where the content was not read for the index: of plain tar and ZIP archives. */
  readonly sha256: string | undefined;
}

/**
 * Opens an archive for reading any of its members: `.tar`, `.tar.gz`/`.tgz`, `.tar.zst`/`.tzst` or `.zip`, here or remote.
 *
 * What is in it is found out in one pass, once, and kept in the cache: where each member lies, and, of a compressed archive,
 * from where it can be decompressed. Where that is not possible every few MiB, as in the output of plain `gzip`, its content is kept too.
 * The archive is known by its location, size and time or entity tag; an index that is damaged is made again. Several openers,
 * in one process or many, share the work.
 *
 * @param file Stays open, and the caller's, as long as the index is used.
 * @throws PipelineError `NOT_AN_ARCHIVE` by the name, `BAD_LIMIT`; SourceError `PACK_LIMIT`, `CACHE_LOCKED` and what reading
 * throws; OutputError where the disk refuses. A damaged archive is opened: see {@link ArchiveIndex.damage}.
 */
export async function openArchive(file: OpenFile, settings: ArchiveSettings = {}): Promise<ArchiveIndex> {
  const kind = archiveKind(file.uri);
  if (kind === undefined) {
    throw new PipelineError(`'${file.uri}' is no archive by its name`, {
      code: 'NOT_AN_ARCHIVE',
      path: file.uri,
      hint: 'Archives end in .tar, .tar.gz, .tgz, .tar.zst, .tzst or .zip.',
    });
  }
  const maxMemberBytes = checkedLimit('maxMemberBytes', settings.maxMemberBytes ?? 1 << 30, 1);
  const keptBytes = checkedLimit('keptBytes', settings.keptBytes ?? 16 << 20, 0);
  try {
    const { index, pack } = await openIndex(file, kind, {
      root: path.join(settings.cache ?? cacheRoot(), 'archives'),
      maxExpansion: checkedLimit('maxExpansion', settings.maxExpansion ?? MAX_EXPANSION, 1),
      maxPackBytes: checkedLimit('maxPackBytes', settings.maxPackBytes ?? 2 ** 36, 0),
      signal: settings.signal,
    });
    return new ArchiveIndex(file, index, new MemberContent(file, index, pack, keptBytes), maxMemberBytes);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new SourceError(error.message, { code: error.code, path: file.uri, hint: error.hint, cause: error });
  }
}

/** The members of an archive, by their names. Of members with one name, the last one counts, as `tar` has it. */
export class ArchiveIndex {
  readonly #file: OpenFile;
  readonly #index: IndexFile;
  readonly #content: MemberContent;
  readonly #maxMemberBytes: number;

  /** Opened by `openArchive`. */
  constructor(file: OpenFile, index: IndexFile, content: MemberContent, maxMemberBytes: number) {
    this.#file = file;
    this.#index = index;
    this.#content = content;
    this.#maxMemberBytes = maxMemberBytes;
  }

  /** Where and why the archive ends too early; members before can be read. */
  get damage(): Damage | undefined {
    return this.#index.head.damage ?? undefined;
  }

  /** Whether there is a member of this name that can be read. */
  has(name: string): boolean {
    const entry = this.#index.entry(memberName(name));
    return entry !== undefined && entry.refused === undefined;
  }

  /**
   * The member of this name; undefined where there is none. Looking it up reads from the disk, and blocks for that moment.
   *
   * @throws RecordError for one that is left out (`UNSUPPORTED_MEMBER`, `UNSAFE_PATH`, `SPARSE_MEMBER`, `ENCRYPTED` and the like),
   * and `DAMAGED_ARCHIVE` for one that is not there where the archive is damaged
   */
  member(name: string): ArchiveMember | undefined {
    const entry = this.#entry(name);
    if (entry === undefined) return undefined;
    const { byte, size, sha256 } = entry;
    const digest = sha256 === undefined ? undefined : Buffer.from(sha256).toString('hex');
    return { name: entry.name, offset: byte, size, sha256: digest };
  }

  /** Names of all members that can be read, in the archive's order. */
  async *names(): AsyncGenerator<string> {
    for await (const { name, refused } of this.#index.entries()) if (refused === undefined) yield name;
  }

  /**
   * Content of a member, in a buffer of its own; checked against what the archive or the index says of it.
   *
   * @throws RecordError as `member`; `NO_MEMBER`, `MEMBER_TOO_LARGE` before anything is read, `CORRUPT_COMPRESSION`,
   * `WRONG_CHECKSUM` and the like
   */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.#required(name);
    if (entry.size > this.#maxMemberBytes) {
      const what = `'${entry.name}' has ${entry.size} bytes, more than ${this.#maxMemberBytes}`;
      throw this.#error('MEMBER_TOO_LARGE', entry.name, what, 'Set the limit higher to read it.');
    }
    try {
      return await this.#content.whole(entry);
    } catch (error) {
      throw await this.#understood(error, entry.name);
    }
  }

  /** The same in chunks; what fails at its end has given what was read by then. */
  async *stream(name: string): AsyncGenerator<Uint8Array> {
    const entry = this.#required(name);
    try {
      yield* this.#content.chunks(entry);
    } catch (error) {
      throw await this.#understood(error, entry.name);
    }
  }

  /** Closes the index; the archive stays open. */
  async close(): Promise<void> {
    this.#index.close();
    await this.#content.close();
  }

  async #understood(error: unknown, name: string): Promise<unknown> {
    if (!(error instanceof Failure)) return error;
    let { hint } = error;
    if (error.code === 'WRONG_CHECKSUM' && this.#index.head.kind === 'compressed') {
      await this.#index.discard();
      hint = 'Run again: the index and what was kept of the archive are made anew.';
    }
    return this.#error(error.code, name, error.message, hint, error);
  }

  #entry(name: string): Entry | undefined {
    const wanted = memberName(name);
    const entry = this.#index.entry(wanted);
    if (entry?.refused !== undefined) {
      const { code, message } = entry.refused;
      throw this.#error(code, wanted, `${message} (byte ${entry.byte} of the archive)`);
    }
    const { damage } = this;
    if (entry !== undefined || damage === undefined) return entry;
    const what = `'${wanted}' is not among the members before byte ${damage.byte}, where the archive is damaged: ${damage.message}`;
    throw this.#error('DAMAGED_ARCHIVE', wanted, what, 'Copy the archive again.');
  }

  #required(name: string): Entry {
    const entry = this.#entry(name);
    if (entry !== undefined) return entry;
    throw this.#error('NO_MEMBER', name, `the archive has no member '${name}'`);
  }

  #error(code: string, name: string, message: string, hint?: string, cause?: unknown): RecordError {
    const { uri } = this.#file;
    return new RecordError(`'${uri}': ${message}`, { code, path: `${uri}!/${name}`, hint, cause });
  }
}
