import { isUtf8 } from 'node:buffer';
import { type Entry, getFileNameLowLevel } from 'yauzl';
import { lowerBound } from '../lsh/corpus/lowerBound.ts';
import { EXPANSION_FLOOR } from '../sources/compression.ts';
import { Failure } from '../sources/failure.ts';
import type { OpenFile } from '../sources/open-file.ts';
import { unsafeName } from './memberName.ts';
import { type EntryPlace, type ListedEntry, ZipEntries } from './zipEntries.ts';

/** How members may be packed. */
export const METHODS: Readonly<Record<number, 'stored' | 'deflate' | 'zstd'>> = {
  0: 'stored',
  8: 'deflate',
  93: 'zstd',
};

/** Bytes of a member's own header before its name. */
export const LOCAL_BYTES = 30;

/** A member as the directory describes it. */
export interface ZipMember extends EntryPlace {
  readonly name: string;
  /** The name as it stands there; the member's own header must have the same. */
  readonly rawName: Uint8Array;
  /** Offset of its own header. */
  readonly offset: number;
  /** Bytes that it takes up. */
  readonly packed: number;
  readonly size: number;
  readonly crc: number;
  readonly method: number;
  /** What it, with its header, must end before. */
  readonly end: number;
  readonly folder: boolean;
  /** Why it is left out. */
  readonly refused: Failure | undefined;
}

/** What is known of a directory that was read once. */
export interface ZipSurvey {
  /** Whether members lie in the file in the directory's order, each behind the one before. */
  readonly ordered: boolean;
  readonly size: number;
  readonly packed: number;
}

/** By the highest four bits of a mode. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  1: 'a named pipe',
  2: 'a character device',
  6: 'a block device',
  10: 'a symbolic link',
  12: 'a socket',
};
/** Systems whose external attributes hold a mode: Unix and macOS. */
const UNIX = [3, 19];
/** Members whose offsets are held where they must be sorted: 128 MiB. */
const MOST_UNORDERED = 1 << 24;
/** Encrypted; strongly so; with its header masked. */
const ENCRYPTED = 0x0001 | 0x0040 | 0x2000;
const AES = 99;
/** Names are in UTF-8. */
const UTF8 = 0x0800;

/**
 * The members of a ZIP archive, from its directory.
 *
 * Format: PKWARE APPNOTE 6.3.10. Names are in UTF-8 where flag 11 or an Info-ZIP field say so, or where they can be, and in
 * code page 437 otherwise.
 */
export class ZipDirectory {
  readonly entries: ZipEntries;
  readonly #maxExpansion: number;

  private constructor(entries: ZipEntries, maxExpansion: number) {
    this.entries = entries;
    this.#maxExpansion = maxExpansion;
  }

  /** @throws Failure `NOT_ZIP`, `TRUNCATED`, `CORRUPT_ARCHIVE` */
  static async open(file: OpenFile, maxExpansion: number): Promise<ZipDirectory> {
    return new ZipDirectory(await ZipEntries.open(file), maxExpansion);
  }

  get first(): EntryPlace {
    return { number: 0, at: this.entries.start };
  }

  /**
   * Reads the whole directory for what must be known of all members before one is read.
   *
   * @throws Failure `EXPANSION_LIMIT`: together they would grow beyond the limit; `TOO_MANY_MEMBERS` in another order than
   * theirs. A directory that breaks off is told by `members`.
   */
  async survey(each: (entry: EntryPlace, packed: number) => void = () => {}): Promise<ZipSurvey> {
    let ordered = true;
    let size = 0;
    let packed = 0;
    let last = -1;
    let number = 0;
    for await (const { at, entry } of untilBroken(this.entries.from(this.first))) {
      const place = { number, at };
      number++;
      if ('message' in entry) {
        each(place, 0);
        continue;
      }
      if (entry.relativeOffsetOfLocalHeader <= last) ordered = false;
      last = entry.relativeOffsetOfLocalHeader;
      size += entry.uncompressedSize;
      packed += entry.compressedSize;
      each(place, entry.compressedSize);
    }
    if (size > EXPANSION_FLOOR && size > packed * this.#maxExpansion) {
      throw new Failure(
        'EXPANSION_LIMIT',
        `the members of the archive grow to more than ${this.#maxExpansion} times their size`,
        'Set maxExpansion higher if the file is to be trusted.',
      );
    }
    if (!ordered && number > MOST_UNORDERED) {
      const what = `${number} members lie in another order than the directory lists them in`;
      throw new Failure('TOO_MANY_MEMBERS', `${what}, which is borne of ${MOST_UNORDERED}`, 'Pack the archive again.');
    }
    return { ordered, size, packed };
  }

  /**
   * Members from a place on, at most so many. Each is checked against the one that begins behind it: members that share
   * bytes unpack to more than any ratio of theirs tells.
   *
   * @param ordered What `survey` says. Where it is false, the offsets of all members are held: eight bytes for each.
   * @throws Failure `CORRUPT_ARCHIVE` where the directory breaks off
   */
  async *members(place: EntryPlace, count: number, ordered: boolean): AsyncGenerator<ZipMember> {
    const offsets = ordered ? undefined : await this.#offsets();
    const behind = ({ relativeOffsetOfLocalHeader: offset }: Entry, next: Entry | undefined): number => {
      const following =
        offsets === undefined
          ? next?.relativeOffsetOfLocalHeader
          : offsets[lowerBound(offsets.length, offset, (at) => offsets[at] ?? 0) + 1];
      return Math.min(this.entries.start, following ?? this.entries.start);
    };
    const stop = place.number + count;
    let held: { readonly place: EntryPlace; readonly entry: Entry } | undefined;
    let failure: unknown;
    let { number } = place;
    const listed = this.entries.from(place);
    for (;;) {
      const next = await listed.next().catch((error: unknown) => {
        failure = error;
      });
      if (next === undefined || next.done === true) break;
      const { at, entry } = next.value;
      const here = { number: number++, at };
      if ('message' in entry) {
        if (here.number < stop) yield unreadableMember(here, entry.message);
        continue;
      }
      if (held !== undefined) yield this.#member(held.place, held.entry, behind(held.entry, entry));
      held = here.number < stop ? { place: here, entry } : undefined;
      if (held === undefined) break;
    }
    await listed.return(undefined);
    if (held !== undefined) yield this.#member(held.place, held.entry, behind(held.entry, undefined));
    if (failure !== undefined) throw failure;
  }

  /** Offsets of all members in ascending order. */
  async #offsets(): Promise<Float64Array> {
    const offsets = new Float64Array(this.entries.count);
    let count = 0;
    for await (const { entry } of untilBroken(this.entries.from(this.first))) {
      if (!('message' in entry)) offsets[count++] = entry.relativeOffsetOfLocalHeader;
    }
    return offsets.subarray(0, count).sort();
  }

  #member(place: EntryPlace, entry: Entry, end: number): ZipMember {
    const { generalPurposeBitFlag: flags, fileNameRaw, extraFields } = entry;
    // Most that write names on Unix do not say that these are UTF-8; text in code page 437 hardly ever looks like it.
    const name = getFileNameLowLevel(isUtf8(fileNameRaw) ? flags | UTF8 : flags, fileNameRaw, extraFields, true);
    const member = {
      ...place,
      name,
      rawName: fileNameRaw,
      offset: entry.relativeOffsetOfLocalHeader,
      packed: entry.compressedSize,
      size: entry.uncompressedSize,
      crc: entry.crc32,
      method: entry.compressionMethod,
      end,
    };
    const folder = name.endsWith('/') && member.size === 0;
    return { ...member, folder, refused: folder ? undefined : this.#refusal(entry, member) };
  }

  #refusal(entry: Entry, member: Omit<ZipMember, 'folder' | 'refused'>): Failure | undefined {
    const { name, offset, packed, size, method, end, rawName } = member;
    const unsafe = unsafeName(name);
    if (unsafe !== undefined) return unsafe;
    const type = UNIX.includes(entry.versionMadeBy >> 8) ? FILE_TYPES[entry.externalFileAttributes >>> 28] : undefined;
    if (type !== undefined) return new Failure('UNSUPPORTED_MEMBER', `'${name}' is no regular file but ${type}`);
    if ((entry.generalPurposeBitFlag & ENCRYPTED) !== 0 || method === AES) {
      return new Failure('ENCRYPTED', `'${name}' is encrypted`, 'Pack it again without a password.');
    }
    if (METHODS[method] === undefined) {
      const hint = 'Pack it again with Deflate or Zstandard, or as it is.';
      return new Failure('UNKNOWN_CODEC', `'${name}' is packed with the unknown method ${method}`, hint);
    }
    if (offset + LOCAL_BYTES + rawName.length + packed > end) return overlapping(name, end);
    if (METHODS[method] === 'stored' && packed !== size) {
      return new Failure('WRONG_SIZE', `'${name}' is stored as it is, in ${packed} bytes, and has ${size}`);
    }
    if (size > EXPANSION_FLOOR && size > packed * this.#maxExpansion) {
      return new Failure(
        'EXPANSION_LIMIT',
        `'${name}' grows to more than ${this.#maxExpansion} times its size`,
        'Set maxExpansion higher if the file is to be trusted.',
      );
    }
    return undefined;
  }
}

/** A member that reaches into what begins at `byte`. */
export const overlapping = (name: string, byte: number): Failure =>
  new Failure('OVERLAPPING_MEMBER', `'${name}' reaches beyond byte ${byte}, where something else begins`);

function unreadableMember(place: EntryPlace, message: string): ZipMember {
  const refused = new Failure('CORRUPT_MEMBER', `an entry of the directory cannot be understood: ${message}`);
  const nothing = { name: '', rawName: new Uint8Array(0), offset: place.at, packed: 0, size: 0, crc: 0, method: 0 };
  return { ...place, ...nothing, end: place.at, folder: false, refused };
}

/** Entries up to where the directory breaks off, which another pass tells of. */
async function* untilBroken(entries: AsyncIterable<ListedEntry>): AsyncGenerator<ListedEntry> {
  try {
    yield* entries;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}
