import { Failure } from '../failure.ts';
import type { OpenFile } from '../open-file.ts';
import type { ByteSource } from './buffers.ts';
import { type ArrowMetadata, arrowMetadata } from './metadata.ts';
import type { ArrowBlock, ArrowFooter, ArrowMessage, ArrowSchema } from './types.ts';

const MAGIC = Buffer.from('ARROW1');
const FEATHER_1 = Buffer.from('FEA1');
/** Magic and its padding, the length of the footer, the magic again. */
const HEAD_BYTES = 8;
const TAIL_BYTES = 4 + MAGIC.length;
/** Goes before the length of metadata, since 0.15. */
const CONTINUATION = -1;
/** Bytes read where a message begins: its metadata is seldom longer. */
const WINDOW = 8 << 10;
/** Metadata longer than this describes nobody's table. */
const MAX_METADATA = 64 << 20;

/** A message at its place; undefined stands for the end mark of a stream. */
export interface PlacedMessage {
  readonly message: ArrowMessage;
  readonly body: { readonly offset: number; readonly length: number };
  /** Offset behind it. */
  readonly end: number;
}

/** What a file is, and where its batches are as far as that is known beforehand. */
export type ArrowLayout = { readonly schema: ArrowSchema } & (
  | { readonly kind: 'file'; readonly footer: ArrowFooter }
  /** `first`: offset of the message behind the schema. */
  | { readonly kind: 'stream'; readonly first: number }
);

function truncated(uri: string): Failure {
  return new Failure('TRUNCATED', `'${uri}' ends inside a message`, 'Copy it again; the batches before can be read.');
}

/** The messages of an Arrow file, in either format. */
export class ArrowFile {
  readonly #file: OpenFile;
  readonly #metadata: ArrowMetadata;

  constructor(file: OpenFile, metadata: ArrowMetadata) {
    this.#file = file;
    this.#metadata = metadata;
  }

  /** @throws SourceError `MISSING_PACKAGE` */
  static async of(file: OpenFile): Promise<ArrowFile> {
    return new ArrowFile(file, await arrowMetadata());
  }

  /** @throws Failure `NOT_ARROW`, `TRUNCATED`, `CORRUPT_ARROW`, `UNSUPPORTED_ARROW` */
  async layout(): Promise<ArrowLayout> {
    const { uri, size } = this.#file;
    const head = Buffer.from(await this.#file.read(0, Math.min(HEAD_BYTES, size)));
    if (head.subarray(0, FEATHER_1.length).equals(FEATHER_1)) {
      throw new Failure('NOT_ARROW', `'${uri}' is Feather of version 1`, 'Write it anew as version 2.');
    }
    if (!head.subarray(0, MAGIC.length).equals(MAGIC)) {
      return this.#stream(head.length >= 4 && head.readInt32LE(0) === CONTINUATION);
    }
    const footer = await this.#footer();
    return { kind: 'file', schema: footer.schema, footer };
  }

  async #stream(marked: boolean): Promise<ArrowLayout> {
    const { uri } = this.#file;
    const first = await this.message(this.#file, 0).catch((error: unknown) => {
      // Old streams begin with a number alone, so anything may stand there: it is no damaged stream then.
      if (error instanceof Failure && !marked) return undefined;
      throw error;
    });
    if (first?.message.kind !== 'schema') throw new Failure('NOT_ARROW', `'${uri}' is not an Arrow file or stream`);
    return { kind: 'stream', schema: first.message.schema, first: first.end };
  }

  async #footer(): Promise<ArrowFooter> {
    const { uri, size } = this.#file;
    const least = HEAD_BYTES + TAIL_BYTES;
    const tail = size < least ? undefined : Buffer.from(await this.#file.read(size - TAIL_BYTES, size));
    if (tail === undefined || !tail.subarray(4).equals(MAGIC)) {
      throw new Failure(
        'TRUNCATED',
        `'${uri}' is an Arrow file without its end, where its table of contents is`,
        'Copy the file again.',
      );
    }
    const length = tail.readInt32LE(0);
    if (length <= 0 || length > Math.min(MAX_METADATA, size - least)) {
      throw new Failure(
        'CORRUPT_ARROW',
        `the table of contents of '${uri}' has ${length} bytes`,
        'Copy the file again.',
      );
    }
    const footer = this.#metadata.footer(await this.#file.read(size - TAIL_BYTES - length, size - TAIL_BYTES));
    let end = HEAD_BYTES;
    for (const block of footer.batches) {
      const next = block.offset + block.metadataLength + block.bodyLength;
      if (block.offset < end || next > size) throw corruptBlock(uri, block);
      end = next;
    }
    for (const block of footer.dictionaries) {
      if (block.offset + block.metadataLength + block.bodyLength > size) throw corruptBlock(uri, block);
    }
    return footer;
  }

  /**
   * The message at an offset; undefined where the end mark stands there, or nothing more.
   *
   * @throws Failure `TRUNCATED`, `CORRUPT_ARROW`, `UNSUPPORTED_ARROW`
   */
  async message(source: ByteSource, offset: number, end = this.#file.size): Promise<PlacedMessage | undefined> {
    const { uri } = this.#file;
    if (offset >= end) return undefined;
    let window = Buffer.from(await source.read(offset, Math.min(end, offset + WINDOW)));
    if (window.length < 4) throw truncated(uri);
    const marked = window.readInt32LE(0) === CONTINUATION;
    const start = marked ? 8 : 4;
    if (window.length < start) throw truncated(uri);
    const length = window.readInt32LE(start - 4);
    if (length === 0) return undefined;
    if (length < 0 || length > MAX_METADATA) {
      throw new Failure('CORRUPT_ARROW', `a message of '${uri}' has ${length} bytes of metadata`, 'Copy it again.');
    }
    const body = offset + start + length;
    if (body > end) throw truncated(uri);
    if (window.length < start + length) window = Buffer.from(await source.read(offset, body));
    const message = this.#metadata.message(window.subarray(start, start + length));
    const next = body + message.bodyLength;
    if (next > end) throw truncated(uri);
    return { message, body: { offset: body, length: message.bodyLength }, end: next };
  }

  /**
   * Looks behind the end mark at an offset.
   *
   * @throws Failure `CORRUPT_ARROW` where more follows: another stream, perhaps
   */
  async requireEnd(source: ByteSource, offset: number): Promise<void> {
    const { uri, size } = this.#file;
    const mark = Buffer.from(await source.read(offset, Math.min(size, offset + 4)));
    const end = offset + (mark.length === 4 && mark.readInt32LE(0) === CONTINUATION ? 8 : 4);
    if (end < size) throw new Failure('CORRUPT_ARROW', `${size - end} bytes follow the end mark of '${uri}'`);
  }
}

function corruptBlock(uri: string, { offset }: ArrowBlock): Failure {
  return new Failure('CORRUPT_ARROW', `the batch at ${offset} of '${uri}' lies beyond its place`, 'Copy it again.');
}
