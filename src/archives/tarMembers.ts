import { type Extract, extract, type Header } from 'tar-stream';
import { Failure } from '../sources/failure.ts';
import {
  damagedTar,
  endlessTar,
  isFolder,
  padded,
  refusal,
  TAR_BLOCK,
  type TarEntry,
  truncatedTar,
} from './tarEntry.ts';

/** A regular file of an archive. */
export interface TarMember {
  readonly name: string;
  /** Offset of its content in the (decompressed) archive. */
  readonly byte: number;
  readonly size: number;
  /** Read at most once, before the next member is asked for; what is left of it is passed over. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** What is told of the rest of an archive. */
export interface TarReport {
  /** A member that is left out. */
  refused(failure: Failure, byte: number, name: string): void | Promise<void>;
  /** The archive ends here; of `name`, where given, not all of the content was there. */
  broken(failure: Failure, byte: number, name?: string): void;
}

/** tar-stream also tells where a member's bytes begin and what its pax header says; its types do not. */
type Member = Omit<Header, 'pax' | 'type'> & TarEntry & { readonly byteOffset: number };

type Entry = AsyncIterable<Uint8Array> & { readonly header: Member };

/** Also archives from before POSIX, which have no magic: an option that tar-stream's types do not know. */
const ANY_FORMAT = { allowUnknownFormat: true } as Parameters<typeof extract>[0];

/** Writes a stream of bytes into an extractor at the pace of its reader; resolves to what broke the stream off. */
class Feed {
  bytes = 0;
  /** The last bytes that were fed, a block of them at least. */
  #last: Uint8Array = new Uint8Array(0);
  readonly done: Promise<unknown>;
  readonly #extract: Extract;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(input: AsyncIterable<Uint8Array>, into: Extract) {
    this.#extract = into;
    const wake = (): void => this.#wake();
    into.on('drain', wake);
    into.on('close', wake);
    this.done = this.#run(input).catch((error: unknown) => {
      // Whole members before the break are still to be read: the extractor ends, it is not destroyed.
      into.end(undefined);
      return error ?? new Error('unknown');
    });
  }

  async #run(input: AsyncIterable<Uint8Array>): Promise<undefined> {
    for await (const chunk of input) {
      if (this.#stopped) return;
      this.bytes += chunk.length;
      this.#last = chunk.length >= TAR_BLOCK ? chunk : Buffer.concat([this.#last.subarray(-TAR_BLOCK), chunk]);
      if (this.#extract.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#stopped || this.#extract.destroyed) resolve();
      });
      if (this.#stopped || this.#extract.destroyed) return;
    }
    this.#extract.end(undefined);
  }

  /** Whether the last block is one of zeros, and none of what lies before this offset. */
  endsBehind(offset: number): boolean {
    const last = this.#last.subarray(-TAR_BLOCK);
    return this.bytes >= offset + TAR_BLOCK && last.every((byte) => byte === 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#extract.destroy();
    this.#wake();
    await this.done;
  }
}

/** What stopped the reading of an archive. */
function understand(error: unknown, members: number): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return message.includes('Unexpected end of data') ? truncatedTar(error) : damagedTar(members, message, error);
}

/** Thrown by the content of a member in the middle of which the archive ends; why is known already. */
const CUT = Symbol('cut');

/**
 * What `use` makes of the regular files of a tar archive, in its order, read in one go. Folders are passed over,
 * everything else is reported.
 *
 * @param chunks The archive's bytes, decompressed. What it throws as a Failure ends the archive; anything else is thrown.
 * @param start Offset of the first of them in the archive, the start of a header.
 * @param whole Whether they reach to the end of the archive, which must have an end mark then.
 */
export async function* tarMembers<T>(
  chunks: AsyncIterable<Uint8Array>,
  start: number,
  whole: boolean,
  report: TarReport,
  use: (member: TarMember) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const archive = extract(ANY_FORMAT);
  const feed = new Feed(chunks, archive);
  let members = 0;
  /** Offset behind the last member, with its padding. */
  let end = start;
  let current: string | undefined;
  let failure: Failure | undefined;
  const entries = (archive as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  // The extractor fails only on what it is fed; everything else is thrown by the feed.
  const cut = (error: unknown): never => {
    failure = understand(error, members);
    throw CUT;
  };
  // An entry knows only that it was destroyed; the extractor, why.
  const cutInside = async (error: unknown): Promise<never> => {
    await entries.next().catch(cut);
    return cut(error);
  };
  try {
    for (;;) {
      const next = await entries.next().catch(cut);
      if (next.done === true) break;
      const entry = next.value as Entry;
      const { header } = entry;
      const byte = start + header.byteOffset;
      members++;
      current = header.name;
      const bytes = entry[Symbol.asyncIterator]();
      const folder = isFolder(header);
      const refused = folder ? undefined : refusal(header);
      if (refused !== undefined) await report.refused(refused, byte, header.name);
      else if (!folder) {
        // Without a `return`: an entry that its reader leaves early would take the whole extractor with it.
        const content = { [Symbol.asyncIterator]: () => ({ next: () => bytes.next().catch(cutInside) }) };
        yield* use({ name: header.name, byte, size: header.size, content });
      }
      while ((await bytes.next().catch(cutInside)).done !== true);
      current = undefined;
      end = byte + (header.type === 'directory' ? 0 : padded(header.size));
    }
  } catch (error) {
    if (error !== CUT) throw error;
  } finally {
    await feed.stop();
  }
  const broken = await feed.done;
  if (broken !== undefined && !(broken instanceof Failure)) throw broken;
  failure = broken ?? failure;
  if (failure === undefined && whole && !feed.endsBehind(end - start)) failure = endlessTar();
  if (failure !== undefined) report.broken(failure, end, current);
}
