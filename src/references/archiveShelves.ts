import { type ArchiveIndex, openArchive } from '../archives/archiveIndex.ts';
import { RecordError } from '../errors.ts';
import { Failure } from '../sources/failure.ts';
import type { OpenFile } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';
import { type ArchiveFiles, type ArchivePlace, archivePlace } from './archiveFiles.ts';
import type { Located, Shelf } from './located.ts';
import { Shared } from './shared.ts';

/** Archives that are open at the same time, with four files each. */
const OPEN = 32;
/** Content that each of them keeps besides the block it read last. */
const KEPT_BYTES = 1 << 20;
/** Bytes that an open archive takes: pages of its index, what it keeps, and that block. */
const OPEN_BYTES = KEPT_BYTES + (7 << 20);
/** Archives whose place, size and version are remembered. */
const KNOWN = 1 << 14;

/** Bytes of memory that so many archives take while members are looked for in them. */
export const archivesHold = (archives: number): number => Math.min(archives, OPEN) * OPEN_BYTES;

/** Members of an archive. */
export interface ArchiveShelf extends Shelf {
  /** Where an archive in which something was not found ends too early, and why; undefined where it is whole. */
  damage(signal: AbortSignal): Promise<string | undefined>;
}

/** An archive that is open as long as somebody uses it. */
class OpenArchive {
  readonly #file: OpenFile;
  readonly #index: ArchiveIndex;
  #users = 0;
  #dropped = false;

  constructor(file: OpenFile, index: ArchiveIndex) {
    this.#file = file;
    this.#index = index;
  }

  /** Undefined where it was closed meanwhile. */
  async use<T>(work: (index: ArchiveIndex) => T | Promise<T>): Promise<{ readonly result: T } | undefined> {
    if (this.#dropped) return undefined;
    this.#users++;
    try {
      return { result: await work(this.#index) };
    } finally {
      this.#users--;
      await this.#closeIdle();
    }
  }

  drop(): void {
    this.#dropped = true;
    void this.#closeIdle();
  }

  async #closeIdle(): Promise<void> {
    if (!this.#dropped || this.#users > 0) return;
    await this.#index.close();
    await this.#file.close();
  }
}

/** Archives, each read once to find its members: what is found is kept in the cache, and a few stay open. */
export class ArchiveShelves {
  readonly #files: ArchiveFiles;
  readonly #cache: string | undefined;
  readonly #found = new Shared<FoundFile>({ max: KNOWN });
  readonly #open = new Shared<OpenArchive>({ max: OPEN, dropped: (archive) => archive.drop() });

  /** @param cache Folder for indexes. Default: that of `openArchive`. */
  constructor(files: ArchiveFiles, cache?: string) {
    this.#files = files;
    this.#cache = cache;
  }

  /** @throws PipelineError `BAD_RULE` */
  shelf(name: string, base: string | undefined): ArchiveShelf {
    const place = archivePlace(name, base);
    const use = <T>(signal: AbortSignal, work: (index: ArchiveIndex) => T | Promise<T>): Promise<T> =>
      this.#use(place, signal, work);
    return {
      find: (members, signal) => use(signal, (index) => firstIn(index, place, members, use)),
      damage: (signal) => use(signal, ({ damage }) => damage?.message),
    };
  }

  /** What tells this version of an archive from others. */
  async identify(name: string, base: string | undefined, signal: AbortSignal): Promise<readonly (string | number)[]> {
    const { size, etag, mtimeMs } = await this.#find(archivePlace(name, base), signal);
    return [name, size, etag ?? mtimeMs ?? ''];
  }

  /** Closes what is open and used by nobody; it opens again when it is asked for. */
  rest(): void {
    this.#open.clear();
  }

  async #use<T>(place: ArchivePlace, signal: AbortSignal, work: (index: ArchiveIndex) => T | Promise<T>): Promise<T> {
    for (;;) {
      const archive = await this.#open.get(place.location, signal, async (during) => {
        const file = await this.#files.open(await this.#find(place, during), during);
        try {
          return new OpenArchive(
            file,
            await openArchive(file, { cache: this.#cache, keptBytes: KEPT_BYTES, signal: during }),
          );
        } catch (error) {
          await file.close();
          throw error;
        }
      });
      const used = await archive.use(work);
      if (used !== undefined) return used.result;
    }
  }

  #find(place: ArchivePlace, signal: AbortSignal): Promise<FoundFile> {
    return this.#found.get(place.location, signal, (during) => this.#files.find(place, during));
  }
}

type Use = <T>(signal: AbortSignal, work: (index: ArchiveIndex) => T | Promise<T>) => Promise<T>;

function firstIn(index: ArchiveIndex, place: ArchivePlace, members: readonly string[], use: Use): Located | undefined {
  for (const member of members) {
    const found = locatedIn(index, place, member, use);
    if (found !== undefined) return found;
  }
  return undefined;
}

function locatedIn(index: ArchiveIndex, { location, uri }: ArchivePlace, name: string, use: Use): Located | undefined {
  try {
    const member = index.member(name);
    if (member === undefined) return undefined;
    const { size } = member;
    return {
      uri: `${uri}!/${member.name}`,
      size,
      key: `${location}\0${member.name}`,
      read: (signal) =>
        use(signal, (open) => open.read(name).catch((error: unknown) => Promise.reject(asFailure(error)))),
      check: (signal) =>
        use(signal, async (open) => {
          try {
            for await (const _ of open.stream(name));
          } catch (error) {
            throw asFailure(error);
          }
        }),
    };
  } catch (error) {
    // It may lie in another archive all the same.
    if (error instanceof RecordError && error.code === 'DAMAGED_ARCHIVE') return undefined;
    throw asFailure(error);
  }
}

function asFailure(error: unknown): unknown {
  return error instanceof RecordError ? new Failure(error.code, error.message, error.hint, error) : error;
}
