import { OutputError } from '../../errors.ts';
import { type BlockType, blockBytes, blockLayouts } from '../../kernels/blocks/layout.ts';
import { littleEndianBytes } from '../littleEndian.ts';
import {
  ALIGNMENT_KEY,
  alignUp,
  DEFAULT_ALIGNMENT,
  type GgufArray,
  type GgufMetadata,
  type GgufValue,
  isAlignment,
  MAX_DIMENSIONS,
  MAX_KEY_BYTES,
  MAX_TENSOR_NAME_BYTES,
  numberArrays,
  tensorTypeIds,
  valueTypes,
} from './types.ts';

/** A tensor as it will stand in the file. */
export interface GgufTensorSpec {
  readonly name: string;
  readonly type: BlockType;
  /** Outermost first. */
  readonly shape: readonly number[];
}

/** A tensor with its content: encoded bytes in pieces, asked for when their turn comes. */
export interface GgufTensorData extends GgufTensorSpec {
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * The head of a GGUF file (version 3, little-endian), padded to where the data begins: metadata and tensors in the order
 * given. Equal input gives equal bytes. `general.alignment`, where the metadata has it, decides the padding.
 *
 * @throws OutputError `BAD_METADATA` for a key or value that the format cannot hold, `BAD_TENSOR` for a name that is used
 *   twice or too long, or a shape that does not fit the type
 */
export function ggufHeader(metadata: GgufMetadata, tensors: readonly GgufTensorSpec[]): Uint8Array {
  const alignment = alignmentOf(metadata);
  const head = new HeaderWriter();
  head.bytes(new TextEncoder().encode('GGUF'));
  head.u32(3);
  head.u64(tensors.length);
  head.u64(metadata.size);
  for (const [key, value] of metadata) {
    const length = Buffer.byteLength(key);
    if (length === 0 || length > MAX_KEY_BYTES) throw badMetadata(key, `the key has ${length} bytes`);
    head.string(key);
    head.u32(valueTypes.indexOf(value.type));
    head.value(key, value);
  }
  let offset = 0;
  const names = new Set<string>();
  for (const tensor of tensors) {
    if (names.has(tensor.name)) throw badTensor(tensor.name, 'its name is used twice');
    names.add(tensor.name);
    const bytes = tensorBytes(tensor);
    head.string(tensor.name);
    head.u32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) head.u64(size);
    head.u32(tensorTypeIds[tensor.type]);
    head.u64(offset);
    offset = alignUp(offset + bytes, alignment);
  }
  return head.finish(alignment);
}

/**
 * A whole GGUF file as a sequence of chunks: the header, then every tensor's own chunks with zeros up to the next multiple
 * of the alignment. Nothing is joined or kept; a chunk is valid until the next is asked for.
 *
 * @throws OutputError as {@link ggufHeader}, and `BAD_TENSOR` for content whose length does not fit its shape
 */
export async function* ggufChunks(
  metadata: GgufMetadata,
  tensors: readonly GgufTensorData[],
): AsyncGenerator<Uint8Array, void, undefined> {
  yield ggufHeader(metadata, tensors);
  const alignment = alignmentOf(metadata);
  for (const tensor of tensors) {
    const expected = tensorBytes(tensor);
    let bytes = 0;
    for await (const chunk of tensor.chunks) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== expected) {
      throw badTensor(tensor.name, `it has ${bytes} bytes of content, its shape needs ${expected}`);
    }
    const padding = alignUp(bytes, alignment) - bytes;
    if (padding > 0) yield new Uint8Array(padding);
  }
}

/** Collects the bytes of a header. */
class HeaderWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  u32(value: number): void {
    this.bytes(littleEndianBytes(Uint32Array.of(value)));
  }

  u64(value: number): void {
    this.bytes(littleEndianBytes(BigUint64Array.of(BigInt(value))));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  value(key: string, value: GgufValue): void {
    if (value.type === 'string') this.string(value.value);
    else if (value.type === 'array') this.#array(key, value.value);
    else this.bytes(scalarBytes(key, value));
  }

  /** The header, padded with zeros to a multiple of `alignment`. */
  finish(alignment: number): Uint8Array {
    const header = new Uint8Array(alignUp(this.#length, alignment));
    let at = 0;
    for (const part of this.#parts) {
      header.set(part, at);
      at += part.length;
    }
    return header;
  }

  #array(key: string, { of, items }: GgufArray): void {
    this.u32(valueTypes.indexOf(of));
    this.u64(items.length);
    if (of === 'string') for (const item of items) this.string(item);
    else if (of === 'array') for (const item of items) this.#array(key, item);
    else {
      if (!(items instanceof holderOf(of))) throw badMetadata(key, `${of} values lie in a ${items.constructor.name}`);
      this.bytes(littleEndianBytes(items));
    }
  }
}

type Scalar = Exclude<GgufValue, { readonly type: 'string' | 'array' }>;

/** A typed array wraps or overflows where it cannot hold a number: compare before writing. */
function scalarBytes(key: string, value: Scalar): Uint8Array {
  if (value.type === 'bool') return Uint8Array.of(value.value ? 1 : 0);
  if (value.type === 'uint64' || value.type === 'int64') {
    const item = (value.type === 'uint64' ? BigUint64Array : BigInt64Array).of(value.value);
    if (item[0] !== value.value) throw unfit(key, value);
    return littleEndianBytes(item);
  }
  const item = numberArrays[value.type].of(value.value);
  const overflows = Number.isFinite(value.value) && !Number.isFinite(item[0]);
  if (value.type.startsWith('float') ? overflows : item[0] !== value.value) throw unfit(key, value);
  return littleEndianBytes(item);
}

/** The typed array that numbers of a type lie in. */
function holderOf(of: Exclude<GgufArray['of'], 'string' | 'array'>) {
  if (of === 'bool') return Uint8Array;
  if (of === 'uint64') return BigUint64Array;
  return of === 'int64' ? BigInt64Array : numberArrays[of];
}

function alignmentOf(metadata: GgufMetadata): number {
  const given = metadata.get(ALIGNMENT_KEY);
  if (given === undefined) return DEFAULT_ALIGNMENT;
  if (given.type === 'uint32' && isAlignment(given.value)) return given.value;
  throw badMetadata(ALIGNMENT_KEY, 'it must be a uint32 that is a power of two from 8 to 1048576');
}

function tensorBytes({ name, type, shape }: GgufTensorSpec): number {
  const length = Buffer.byteLength(name);
  if (length === 0 || length > MAX_TENSOR_NAME_BYTES) throw badTensor(name, `its name has ${length} bytes`);
  const values = shape.reduce((product, size) => product * size, 1);
  const sizes = shape.every((size) => Number.isSafeInteger(size) && size > 0) && Number.isSafeInteger(values);
  if (!sizes || shape.length < 1 || shape.length > MAX_DIMENSIONS) {
    throw badTensor(name, `its shape is [${shape.join(', ')}]`);
  }
  if ((shape.at(-1) ?? 0) % blockLayouts[type].values !== 0) {
    throw badTensor(name, `rows of ${shape.at(-1)} values are not whole blocks of ${type}`);
  }
  return blockBytes(type, values);
}

function badTensor(name: string, what: string): OutputError {
  return new OutputError(`tensor '${name}' cannot be written: ${what}`, { code: 'BAD_TENSOR' });
}

function unfit(key: string, { type, value }: Scalar): OutputError {
  return badMetadata(key, `${value} does not fit ${type}`);
}

function badMetadata(key: string, what: string): OutputError {
  return new OutputError(`the key '${key}' cannot be written: ${what}`, { code: 'BAD_METADATA' });
}
