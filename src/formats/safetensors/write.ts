import { OutputError } from '../../errors.ts';
import { type Dtype, dtypeRank, dtypeSize } from './dtype.ts';

/** A tensor as it will stand in the file. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A tensor with its content: row-major little-endian bytes in pieces, so that nobody has to join them. */
export interface TensorData extends TensorSpec {
  readonly chunks: Iterable<Uint8Array>;
}

/** The format's own limit on the JSON header. */
const HEADER_LIMIT = 100_000_000;

/**
 * The head of a safetensors file: u64 little-endian length, then JSON padded with spaces to a multiple of 8.
 * `__metadata__` comes first with its keys sorted; tensors follow in file order (dtype rank falling, then name) with
 * contiguous `data_offsets`. Equal input gives equal bytes.
 *
 * @throws OutputError `BAD_TENSOR` for a name that is used twice or reserved, a shape that is not made of whole numbers,
 *   or a header over 100,000,000 bytes
 */
export function safetensorsHeader(
  tensors: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const members: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    members.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  let offset = 0;
  let previous: string | undefined;
  const names = new Set<string>();
  for (const { name, dtype, shape } of fileOrder(tensors)) {
    if (name === '__metadata__' || names.has(name))
      throw badTensor(name, 'its name is reserved or used twice', previous);
    names.add(name);
    const end = offset + tensorBytes({ name, dtype, shape });
    // Written by hand: an object would put names that look like numbers first.
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
    previous = name;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > HEADER_LIMIT)
    throw badTensor('__metadata__', `the header has ${length} bytes`, 'the format allows 100,000,000');
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}

/**
 * A whole safetensors file as a sequence of chunks: the header, then every tensor's own chunks in file order.
 * Nothing is joined or copied.
 *
 * @throws OutputError `BAD_TENSOR` as `safetensorsHeader`, and for content whose length does not fit its shape
 */
export function* safetensorsChunks(
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array, void, undefined> {
  yield safetensorsHeader(tensors, metadata);
  for (const tensor of fileOrder(tensors)) {
    const expected = tensorBytes(tensor);
    let bytes = 0;
    for (const chunk of tensor.chunks) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== expected) {
      throw badTensor(tensor.name, `it has ${bytes} bytes of content`, `its shape needs ${expected}`);
    }
  }
}

function fileOrder<T extends TensorSpec>(tensors: readonly T[]): T[] {
  return tensors.toSorted(
    (a, b) => dtypeRank(b.dtype) - dtypeRank(a.dtype) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
}

function tensorBytes({ name, dtype, shape }: TensorSpec): number {
  const size = dtypeSize(dtype);
  const bytes = shape.reduce((product, side) => product * side, size ?? Number.NaN);
  if (!shape.every((side) => Number.isSafeInteger(side) && side >= 0) || !Number.isSafeInteger(bytes)) {
    throw badTensor(name, `its type and shape are ${dtype} [${shape.join(', ')}]`, undefined);
  }
  return bytes;
}

function badTensor(name: string, what: string, hint: string | undefined): OutputError {
  return new OutputError(`tensor '${name}' cannot be written: ${what}`, { code: 'BAD_TENSOR', hint });
}
