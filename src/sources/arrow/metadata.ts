import type { Block } from 'apache-arrow/fb/File_generated';
import type { RecordBatch, Schema } from 'apache-arrow/fb/Message_generated';
import type { Field } from 'apache-arrow/fb/Schema_generated';
import { SourceError } from '../../errors.ts';
import { Failure } from '../failure.ts';
import type {
  ArrowBatch,
  ArrowBlock,
  ArrowField,
  ArrowFooter,
  ArrowMessage,
  ArrowSchema,
  ArrowType,
  TimeUnit,
} from './types.ts';

/** Levels of nested columns. */
const MAX_DEPTH = 64;
/** Digits of a decimal: 256 bits hold 77. */
const MAX_SCALE = 128;
/** Bytes that a vector of these takes at least for each: what does not fit is not there, whatever its length says. */
const BYTES = { field: 4, node: 16, buffer: 16, count: 8, block: 24 };
const UNITS: readonly TimeUnit[] = ['seconds', 'milliseconds', 'microseconds', 'nanoseconds'];

async function load() {
  try {
    const [file, message, schema, { ByteBuffer }] = await Promise.all([
      import('apache-arrow/fb/File_generated'),
      import('apache-arrow/fb/Message_generated'),
      import('apache-arrow/fb/Schema_generated'),
      import('flatbuffers'),
    ]);
    return { ...file, ...message, ...schema, ByteBuffer };
  } catch (cause) {
    throw new SourceError('Arrow files need the package apache-arrow', {
      code: 'MISSING_PACKAGE',
      hint: 'npm install apache-arrow flatbuffers',
      cause,
    });
  }
}

type Library = Awaited<ReturnType<typeof load>>;

let library: Promise<Library> | undefined;

/**
 * Reads the metadata of Arrow files with the accessors that the package apache-arrow has generated from their
 * definition; the package is loaded on first use. They believe every length that they read, so each is checked before.
 *
 * @throws SourceError `MISSING_PACKAGE`
 */
export async function arrowMetadata(): Promise<ArrowMetadata> {
  library ??= load();
  library.catch(() => {
    library = undefined;
  });
  return new ArrowMetadata(await library);
}

function corrupt(what: string, cause?: unknown): Failure {
  return new Failure('CORRUPT_ARROW', `its metadata is damaged: ${what}`, 'Copy the file again.', cause);
}

function unsupported(what: string): Failure {
  return new Failure('UNSUPPORTED_ARROW', `it holds ${what}, which cannot be read`, 'Write the file anew without it.');
}

function size(value: bigint | number | undefined, what: string): number {
  const number = Number(value ?? -1);
  if (!Number.isSafeInteger(number) || number < 0) throw corrupt(`${what} is ${value}`);
  return number;
}

export class ArrowMetadata {
  readonly #library: Library;

  constructor(own: Library) {
    this.#library = own;
  }

  /** @throws Failure `CORRUPT_ARROW`, `UNSUPPORTED_ARROW` */
  message(bytes: Uint8Array): ArrowMessage {
    return this.#reading(() => {
      const { Message, MessageHeader, MetadataVersion, ByteBuffer } = this.#library;
      const message = Message.getRootAsMessage(new ByteBuffer(bytes));
      const bodyLength = size(message.bodyLength(), 'the length of a body');
      if (message.version() < MetadataVersion.V4) throw unsupported('metadata of a version before 0.8');
      switch (message.headerType()) {
        case MessageHeader.Schema: {
          const header: Schema | null = message.header(new this.#library.Schema());
          return { kind: 'schema', bodyLength, schema: this.#schema(header, bytes.length) };
        }
        case MessageHeader.RecordBatch: {
          const header: RecordBatch | null = message.header(new this.#library.RecordBatch());
          return { kind: 'batch', bodyLength, batch: this.#batch(header, bytes.length) };
        }
        case MessageHeader.DictionaryBatch: {
          const header: InstanceType<Library['DictionaryBatch']> | null = message.header(
            new this.#library.DictionaryBatch(),
          );
          if (header === null) throw corrupt('a message is empty');
          const batch = this.#batch(header.data(), bytes.length);
          return { kind: 'dictionary', bodyLength, id: header.id(), delta: header.isDelta(), batch };
        }
        default:
          return { kind: 'other', bodyLength };
      }
    });
  }

  /** @throws Failure `CORRUPT_ARROW`, `UNSUPPORTED_ARROW` */
  footer(bytes: Uint8Array): ArrowFooter {
    return this.#reading(() => {
      const { Footer, ByteBuffer } = this.#library;
      const footer = Footer.getRootAsFooter(new ByteBuffer(bytes));
      const schema = this.#schema(footer.schema(), bytes.length);
      const blocks = (count: number, at: (index: number) => Block | null): ArrowBlock[] => {
        this.#fits(count, BYTES.block, bytes.length, 'blocks');
        return Array.from({ length: count }, (_, index) => {
          const block = at(index);
          return {
            offset: size(block?.offset(), 'the offset of a block'),
            metadataLength: size(block?.metaDataLength(), 'the length of metadata'),
            bodyLength: size(block?.bodyLength(), 'the length of a body'),
          };
        });
      };
      return {
        schema,
        dictionaries: blocks(footer.dictionariesLength(), (index) => footer.dictionaries(index)),
        batches: blocks(footer.recordBatchesLength(), (index) => footer.recordBatches(index)),
      };
    });
  }

  /** What the accessors throw where bytes are not what they should be says nothing to anybody. */
  #reading<R>(read: () => R): R {
    try {
      return read();
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw corrupt(error instanceof Error ? error.message : String(error), error);
    }
  }

  #fits(count: number, each: number, bytes: number, what: string): void {
    if (!(count >= 0 && count * each <= bytes)) throw corrupt(`there are ${count} ${what} in ${bytes} bytes`);
  }

  #schema(schema: Schema | null, bytes: number): ArrowSchema {
    if (schema === null) throw corrupt('there is no schema');
    if (schema.endianness() !== this.#library.Endianness.Little) throw unsupported('numbers with their big end first');
    // However fields refer to each other, there are no more of them than bytes to hold them.
    const budget = { fields: Math.floor(bytes / BYTES.field) };
    return { fields: this.#fields(schema.fieldsLength(), (index) => schema.fields(index), budget, 0) };
  }

  #fields(count: number, at: (index: number) => Field | null, budget: { fields: number }, depth: number): ArrowField[] {
    budget.fields -= count;
    if (count < 0 || budget.fields < 0) throw corrupt('there are more columns than bytes to describe them');
    if (depth > MAX_DEPTH) throw corrupt(`columns are nested more than ${MAX_DEPTH} levels deep`);
    return Array.from({ length: count }, (_, index) => {
      const field = at(index);
      if (field === null) throw corrupt('a column is missing');
      return { name: field.name() ?? '', type: this.#type(field, budget, depth) };
    });
  }

  #type(field: Field, budget: { fields: number }, depth: number): ArrowType {
    const values = this.#storedType(field, budget, depth);
    const dictionary = field.dictionary();
    if (dictionary === null) return values;
    const indices = dictionary.indexType();
    const stored = indices === null ? ({ bytes: 4, signed: true } as const) : intOf(indices);
    return { kind: 'dictionary', id: dictionary.id(), indices: stored, values };
  }

  #storedType(field: Field, budget: { fields: number }, depth: number): ArrowType {
    const { Type, ...own } = this.#library;
    const members = this.#fields(field.childrenLength(), (index) => field.children(index), budget, depth + 1);
    const only = (): ArrowType => {
      const [member, other] = members;
      if (member === undefined || other !== undefined) throw corrupt('a list has no single kind of elements');
      return member.type;
    };
    const as = <T>(holder: T): T => {
      const found: T | null = field.type(holder);
      if (found === null) throw corrupt('a column has no type');
      return found;
    };
    switch (field.typeType()) {
      case Type.Null:
        return { kind: 'null' };
      case Type.Bool:
        return { kind: 'bool' };
      case Type.Int:
        return { kind: 'int', ...intOf(as(new own.Int())) };
      case Type.FloatingPoint: {
        const bytes = ([2, 4, 8] as const)[as(new own.FloatingPoint()).precision()];
        if (bytes === undefined) throw corrupt('a number has no known precision');
        return { kind: 'float', bytes };
      }
      case Type.Binary:
      case Type.Utf8:
        return { kind: 'bytes', text: field.typeType() === Type.Utf8, offset: 4 };
      case Type.LargeBinary:
      case Type.LargeUtf8:
        return { kind: 'bytes', text: field.typeType() === Type.LargeUtf8, offset: 8 };
      case Type.BinaryView:
      case Type.Utf8View:
        return { kind: 'views', text: field.typeType() === Type.Utf8View };
      case Type.FixedSizeBinary:
        return { kind: 'fixed', bytes: positive(as(new own.FixedSizeBinary()).byteWidth()) };
      case Type.Decimal: {
        const decimal = as(new own.Decimal());
        if (Math.abs(decimal.scale()) > MAX_SCALE) throw corrupt(`a decimal has the scale ${decimal.scale()}`);
        return { kind: 'decimal', bytes: positive(decimal.bitWidth()) / 8, scale: decimal.scale() };
      }
      case Type.Date:
        return { kind: 'date', unit: as(new own.Date()).unit() === own.DateUnit.DAY ? 'days' : 'milliseconds' };
      case Type.Timestamp: {
        const unit = UNITS[as(new own.Timestamp()).unit()];
        if (unit === undefined) throw corrupt('a timestamp has no known unit');
        return { kind: 'timestamp', unit };
      }
      case Type.Time:
        return { kind: 'span', bytes: positive(as(new own.Time()).bitWidth()) / 8 };
      case Type.Duration:
        return { kind: 'span', bytes: 8 };
      case Type.Interval:
        return { kind: 'span', bytes: [4, 8, 16][as(new own.Interval()).unit()] ?? 16 };
      case Type.List:
      case Type.LargeList:
        return { kind: 'list', offset: field.typeType() === Type.List ? 4 : 8, item: only() };
      case Type.ListView:
      case Type.LargeListView:
        return { kind: 'listView', offset: field.typeType() === Type.ListView ? 4 : 8, item: only() };
      case Type.FixedSizeList:
        return { kind: 'fixedList', size: positive(as(new own.FixedSizeList()).listSize()), item: only() };
      case Type.Map:
        return { kind: 'map', entries: only() };
      case Type.Struct_:
        return { kind: 'struct', members };
      case Type.Union:
        return { kind: 'union', dense: as(new own.Union()).mode() === own.UnionMode.Dense, members };
      case Type.RunEndEncoded:
        return { kind: 'runs' };
      default:
        throw unsupported(`a column '${field.name()}' of a type that is not known`);
    }
  }

  #batch(batch: RecordBatch | null, bytes: number): ArrowBatch {
    if (batch === null) throw corrupt('a message is empty');
    const [nodes, buffers, counts] = [batch.nodesLength(), batch.buffersLength(), batch.variadicBufferCountsLength()];
    this.#fits(nodes, BYTES.node, bytes, 'nodes');
    this.#fits(buffers, BYTES.buffer, bytes, 'buffers');
    this.#fits(counts, BYTES.count, bytes, 'counts');
    const compression = batch.compression();
    const { CompressionType } = this.#library;
    const codec = compression?.codec();
    if (codec !== undefined && codec !== CompressionType.ZSTD && codec !== CompressionType.LZ4_FRAME) {
      throw unsupported('buffers of an unknown compression');
    }
    return {
      rows: size(batch.length(), 'the number of rows'),
      nodes: Array.from({ length: nodes }, (_, index) => ({
        length: size(batch.nodes(index)?.length(), 'the length of a column'),
        nulls: size(batch.nodes(index)?.nullCount(), 'the number of nulls'),
      })),
      buffers: Array.from({ length: buffers }, (_, index) => ({
        offset: size(batch.buffers(index)?.offset(), 'the offset of a buffer'),
        length: size(batch.buffers(index)?.length(), 'the length of a buffer'),
      })),
      variadic: Array.from({ length: counts }, (_, index) =>
        size(batch.variadicBufferCounts(index) ?? undefined, 'a number of buffers'),
      ),
      codec: codec === undefined ? undefined : codec === CompressionType.ZSTD ? 'zstd' : 'lz4',
    };
  }
}

function intOf(int: { bitWidth(): number; isSigned(): boolean }): { bytes: 1 | 2 | 4 | 8; signed: boolean } {
  const bytes = int.bitWidth() / 8;
  if (bytes !== 1 && bytes !== 2 && bytes !== 4 && bytes !== 8) throw corrupt(`an integer has ${int.bitWidth()} bits`);
  return { bytes, signed: int.isSigned() };
}

function positive(value: number): number {
  if (!Number.isSafeInteger(value) || value <= 0) throw corrupt(`a width is ${value}`);
  return value;
}
