import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { SluiceError } from '../errors.ts';
import { Failure } from '../sources/failure.ts';
import type { OpenFile } from '../sources/open-file.ts';
import { FileWindow } from './fileWindow.ts';

/** Bytes of an entry of a directory before its name. */
const ENTRY_BYTES = 46;
const ENTRY = 0x02014b50;
/** The record that ends an archive, before its comment. */
const END_BYTES = 22;
const END = 0x06054b50;
const MOST_COMMENT = 0xffff;

/** Lets yauzl read through a window; what the file itself has to say of a failure is kept for its user. */
class WindowReader extends RandomAccessReader {
  readonly window: FileWindow;
  /** What reading the file has failed with. */
  failure: unknown;

  constructor(window: FileWindow) {
    super();
    this.window = window;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytes?: number) => void,
  ): void {
    const end = position + length;
    const held = this.window.held(position, end);
    if (held !== undefined) {
      buffer.set(held, offset);
      callback(null, length);
    } else if (!(end <= this.window.file.size)) callback(null, 0);
    else {
      this.window.bytes(position, end).then(
        (bytes) => {
          buffer.set(bytes, offset);
          callback(null, length);
        },
        (error: Error) => {
          this.failure = error;
          callback(error);
        },
      );
    }
  }
}

/** yauzl's place in the directory is a number, whatever its types say. */
type OpenZip = Omit<ZipFile, 'readEntryCursor'> & { readEntryCursor: number };

/** An entry that is not to be understood. */
export interface BadEntry {
  readonly message: string;
}

/** An entry as it stands in the directory. */
export interface ListedEntry {
  /** Offset of the entry. */
  readonly at: number;
  readonly entry: Entry | BadEntry;
}

/** Place in a directory: number of an entry, from 0, and its offset. */
export interface EntryPlace {
  readonly number: number;
  readonly at: number;
}

/** Entries of an archive's directory, from any of them on. */
export class ZipEntries {
  readonly #zip: OpenZip;
  readonly #reader: WindowReader;
  /** Where the directory begins; members end before. */
  readonly start: number;
  /** How many entries the archive says that there are. */
  readonly count: number;
  /** Offset of what follows the archive in the file, where something does. */
  readonly trailing: number | undefined;
  #resolve: (entry: Entry | undefined) => void = () => {};
  #reject: (error: Error) => void = () => {};

  private constructor(zip: ZipFile, reader: WindowReader, trailing: number | undefined) {
    this.#zip = zip as unknown as OpenZip;
    this.#reader = reader;
    this.start = this.#zip.readEntryCursor;
    this.count = zip.entryCount;
    this.trailing = trailing;
    zip.on('entry', (entry: Entry) => this.#resolve(entry));
    zip.on('end', () => this.#resolve(undefined));
    zip.on('error', (error: Error) => this.#reject(error));
  }

  /** @throws Failure `NOT_ZIP`, `TRUNCATED`, `CORRUPT_ARCHIVE` */
  static async open(file: OpenFile): Promise<ZipEntries> {
    const window = new FileWindow(file);
    const end = await endOf(file);
    const reader = new WindowReader(window);
    try {
      // Names are decoded, and sizes compared, where a member that is wrong costs none of the others.
      const options = { autoClose: false, decodeStrings: false, validateEntrySizes: false };
      const zip = await fromRandomAccessReaderPromise(reader, end, options);
      const entries = new ZipEntries(zip, reader, end < file.size ? end : undefined);
      // Also where it would begin behind the end.
      if (!(entries.count <= (end - entries.start) / ENTRY_BYTES)) {
        throw new Failure(
          'CORRUPT_ARCHIVE',
          `the archive has no room for a directory of ${entries.count} members at byte ${entries.start}`,
          'Copy the file again.',
        );
      }
      return entries;
    } catch (error) {
      if (reader.failure !== undefined) throw reader.failure;
      if (error instanceof Failure || error instanceof SluiceError || !(error instanceof Error)) throw error;
      throw new Failure('CORRUPT_ARCHIVE', `the end of the archive is damaged: ${error.message}`, undefined, error);
    }
  }

  /**
   * Entries from a place on, to the last.
   * @throws Failure `CORRUPT_ARCHIVE` where the directory breaks off, or lists more members than it should
   */
  async *from(place: EntryPlace): AsyncGenerator<ListedEntry> {
    const zip = this.#zip;
    let { number, at } = place;
    for (; ; number++) {
      // After an error, yauzl would never answer again.
      zip.emittedError = false;
      zip.entriesRead = number;
      zip.readEntryCursor = at;
      const entry = await this.#next().catch((error: Error) => this.#passOver(error, at));
      if (entry === undefined) break;
      const next = zip.readEntryCursor;
      yield { at, entry };
      at = next;
    }
    if ((await this.#signature(at)) === ENTRY) {
      throw damagedDirectory(at, `it lists more than the ${this.count} members that the archive says it has`);
    }
  }

  #next(): Promise<Entry | undefined> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#zip.readEntry();
    });
  }

  /** Goes on behind an entry that yauzl refuses, if it is one. */
  async #passOver(error: Error, at: number): Promise<BadEntry> {
    if (this.#reader.failure !== undefined) throw this.#reader.failure;
    const { window } = this.#reader;
    if ((await this.#signature(at)) !== ENTRY) throw damagedDirectory(at, error.message);
    if (at + ENTRY_BYTES > window.file.size) throw damagedDirectory(at, 'it ends inside a member');
    const view = viewOf(await window.bytes(at, at + ENTRY_BYTES));
    const end = at + ENTRY_BYTES + view.getUint16(28, true) + view.getUint16(30, true) + view.getUint16(32, true);
    if (end > window.file.size) throw damagedDirectory(at, 'it ends inside a member');
    this.#zip.readEntryCursor = end;
    return { message: error.message };
  }

  async #signature(at: number): Promise<number | undefined> {
    if (at + 4 > this.#reader.window.file.size) return undefined;
    return viewOf(await this.#reader.window.bytes(at, at + 4)).getUint32(0, true);
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function damagedDirectory(at: number, what: string): Failure {
  return new Failure(
    'CORRUPT_ARCHIVE',
    `the directory of the archive is damaged at byte ${at}: ${what}`,
    'Copy the file again; the members before were read.',
  );
}

/** Where the archive ends: before the end of the file, if something follows its end record. */
async function endOf(file: OpenFile): Promise<number> {
  const start = Math.max(0, file.size - END_BYTES - MOST_COMMENT);
  const bytes = await file.read(start, file.size);
  const view = viewOf(bytes);
  for (let at = bytes.length - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    const end = at + END_BYTES + view.getUint16(at + 20, true);
    if (end <= bytes.length) return start + end;
  }
  const head = Buffer.from(await file.read(0, Math.min(4, file.size))).toString('latin1');
  if (head !== 'PK\x03\x04') throw new Failure('NOT_ZIP', 'this is not a ZIP archive');
  throw new Failure('TRUNCATED', 'the directory at the end of the archive is missing', 'Copy the file again.');
}
