import { type FileHandle, open } from 'node:fs/promises';
import { type ErrorDetails, SluiceError } from '../../errors.ts';
import { type BlockType, blockBytes, blockLayouts, blockTypes } from '../../kernels/blocks/layout.ts';
import { Cursor, HeaderEnds, MAX_HEADER_BYTES } from './cursor.ts';
import {
  ALIGNMENT_KEY,
  alignUp,
  DEFAULT_ALIGNMENT,
  type GgufMetadata,
  isAlignment,
  MAX_DIMENSIONS,
  MAX_TENSOR_NAME_BYTES,
  tensorTypeName,
  tensorTypeOf,
} from './types.ts';
import { MetadataReader } from './values.ts';

/** Where one tensor lies. */
export interface GgufTensor {
  readonly name: string;
  readonly type: BlockType;
  /** Outermost first: a linear weight is `[out, in]`. (The file has them the other way round.) */
  readonly shape: readonly number[];
  /** Offset of the first byte in the file (not in the data section). */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface GgufHeader {
  readonly version: number;
  /** In file order. */
  readonly metadata: GgufMetadata;
  /** In file order, by name. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Offset of the data section in the file. */
  readonly dataOffset: number;
  readonly alignment: number;
  readonly fileBytes: number;
}

/** "GGUF", read as a little-endian number. */
const MAGIC = 0x46554747;
const FIRST_READ = 256 << 10;
const MAX_KEYS = 65_536;
const MAX_TENSORS = 65_536;
/** A key of one letter, its type and a byte; a name of one letter, one dimension, type and offset. */
const LEAST_KEY_BYTES = 8 + 1 + 4 + 1;
const LEAST_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

/**
 * Reads and checks the header of a GGUF file, version 2 or 3, little-endian
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); the tensors stay on disk. At most 64 MiB are read. Every
 * count, length and offset is checked against the file's size before it is used; tensors may not overlap.
 *
 *     const { metadata, tensors } = await readGgufHeader('model.gguf');
 *     metadata.get('general.architecture'); // { type: 'string', value: 'llama' }
 *
 * @throws SluiceError `GGUF_UNREADABLE`, `GGUF_MAGIC`, `GGUF_VERSION`, `GGUF_TRUNCATED`, `GGUF_HEADER`,
 *   `GGUF_TENSOR_TYPE` or `GGUF_OFFSETS`, with the path, the byte and the name of the key or tensor
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const file = await openFile(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw fail('GGUF_UNREADABLE', `${path} is no file.`, path);
    const { size } = stat;
    for (let wanted = FIRST_READ; ; wanted *= 4) {
      const head = await readHead(file, Math.min(wanted, size, MAX_HEADER_BYTES));
      try {
        return parseGgufHeader(head, size, path);
      } catch (error) {
        if (!(error instanceof HeaderEnds)) throw error;
        if (head.length < Math.min(wanted, size, MAX_HEADER_BYTES)) throw shrunk(path);
      }
    }
  } finally {
    await file.close();
  }
}

/**
 * As {@link readGgufHeader}, from the first bytes of a file with `fileBytes` bytes.
 *
 * @throws HeaderEnds where the file has more bytes than `head` and the header goes on in them
 */
export function parseGgufHeader(head: Uint8Array, fileBytes: number, path?: string): GgufHeader {
  const cursor = new Cursor(head, fileBytes, path);
  const version = versionOf(cursor);
  const tensorCount = cursor.count('the number of tensors', LEAST_TENSOR_BYTES, MAX_TENSORS);
  const keyCount = cursor.count('the number of keys', LEAST_KEY_BYTES, MAX_KEYS);
  const metadata = new MetadataReader(cursor).read(keyCount);
  const alignment = alignmentOf(metadata, cursor);
  const infos = new Map<string, TensorInfo>();
  for (let i = 0; i < tensorCount; i++) {
    const info = tensorInfo(cursor, i);
    if (infos.has(info.name)) throw cursor.fail('GGUF_HEADER', `The tensor ${info.name} appears twice`);
    infos.set(info.name, info);
  }
  const dataOffset = alignUp(cursor.offset, alignment);
  const tensors = new Map<string, GgufTensor>();
  for (const info of infos.values()) tensors.set(info.name, located(info, { dataOffset, alignment, fileBytes, path }));
  checkOverlaps(tensors.values(), path);
  return { version, metadata, tensors, dataOffset, alignment, fileBytes };
}

interface TensorInfo {
  readonly name: string;
  readonly type: BlockType;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** In the data section. */
  readonly start: bigint;
}

function versionOf(cursor: Cursor): number {
  if (cursor.u32('the magic number') !== MAGIC) {
    throw cursor.fail('GGUF_MAGIC', 'The file does not begin with "GGUF"', { hint: 'This is not a GGUF file.' });
  }
  const version = cursor.u32('the version');
  if (version === 2 || version === 3) return version;
  const bigEndian = version === 2 << 24 || version === 3 << 24;
  throw cursor.fail(
    'GGUF_VERSION',
    bigEndian ? 'The file is big-endian' : `The file has GGUF version ${version}; versions 2 and 3 are read`,
    { hint: 'Write it again with a current converter, in little-endian byte order.' },
  );
}

function alignmentOf(metadata: GgufMetadata, cursor: Cursor): number {
  const given = metadata.get(ALIGNMENT_KEY);
  if (given === undefined) return DEFAULT_ALIGNMENT;
  if (given.type === 'uint32' && isAlignment(given.value)) return given.value;
  throw cursor.fail('GGUF_HEADER', `${ALIGNMENT_KEY} is no uint32 that is a power of two from 8 to 1048576`);
}

function tensorInfo(cursor: Cursor, index: number): TensorInfo {
  const name = cursor.string(`the name of tensor ${index}`, MAX_TENSOR_NAME_BYTES);
  if (name === '') throw cursor.fail('GGUF_HEADER', `Tensor ${index} has no name`);
  const dimensions = cursor.u32(`the dimensions of ${name}`);
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw cursor.fail('GGUF_HEADER', `Tensor ${name} has ${dimensions} dimensions; expected 1 to ${MAX_DIMENSIONS}`);
  }
  const shape: number[] = [];
  let values = 1n;
  for (let axis = 0; axis < dimensions; axis++) {
    const size = cursor.u64(`the shape of ${name}`);
    values *= size;
    if (size === 0n || values > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw cursor.fail('GGUF_HEADER', `Tensor ${name} has no valid shape: dimension ${axis} is ${size}`);
    }
    shape.unshift(Number(size));
  }
  const id = cursor.u32(`the type of ${name}`);
  const type = tensorTypeOf(id);
  if (type === undefined) {
    throw cursor.fail('GGUF_TENSOR_TYPE', `Tensor ${name} is ${tensorTypeName(id)}, which is not supported`, {
      hint: `Convert the model to one of ${blockTypes.join(', ')}.`,
    });
  }
  const row = shape.at(-1) ?? 0;
  if (row % blockLayouts[type].values !== 0) {
    throw cursor.fail(
      'GGUF_HEADER',
      `Tensor ${name} has rows of ${row} values, but ${type} needs multiples of ${blockLayouts[type].values}`,
    );
  }
  return { name, type, shape, bytes: blockBytes(type, Number(values)), start: cursor.u64(`the offset of ${name}`) };
}

interface DataSection {
  readonly dataOffset: number;
  readonly alignment: number;
  readonly fileBytes: number;
  readonly path: string | undefined;
}

function located(info: TensorInfo, { dataOffset, alignment, fileBytes, path }: DataSection): GgufTensor {
  const { name, type, shape, bytes, start } = info;
  if (start % BigInt(alignment) !== 0n) {
    throw fail('GGUF_OFFSETS', `Tensor ${name} begins at ${start} of the data, no multiple of ${alignment}.`, path);
  }
  const end = BigInt(dataOffset) + start + BigInt(bytes);
  if (end > BigInt(fileBytes)) {
    throw fail('GGUF_TRUNCATED', `Tensor ${name} ends at byte ${end}, but the file has ${fileBytes} bytes.`, path, {
      hint: 'The file is truncated or damaged: copy or download it again.',
    });
  }
  return { name, type, shape, offset: dataOffset + Number(start), length: bytes };
}

function checkOverlaps(tensors: Iterable<GgufTensor>, path: string | undefined): void {
  let before: GgufTensor | undefined;
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
    if (before !== undefined && tensor.offset < before.offset + before.length) {
      throw fail('GGUF_OFFSETS', `The tensors ${before.name} and ${tensor.name} overlap.`, path);
    }
    before = tensor;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw fail('GGUF_UNREADABLE', `Cannot open ${path}.`, path, { cause });
  }
}

/** The first bytes of a file; fewer where it ends earlier. */
async function readHead(file: FileHandle, length: number): Promise<Uint8Array> {
  const head = new Uint8Array(length);
  let filled = 0;
  for (let read = -1; read !== 0 && filled < length; filled += read) {
    read = (await file.read(head, filled, length - filled, filled)).bytesRead;
  }
  return head.subarray(0, filled);
}

function shrunk(path: string): SluiceError {
  return fail('GGUF_TRUNCATED', 'The file became shorter while it was read.', path);
}

function fail(code: string, message: string, path: string | undefined, details: Omit<ErrorDetails, 'code'> = {}) {
  return new SluiceError(message, { code, path, ...details });
}
