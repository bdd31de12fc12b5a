import { open } from 'node:fs/promises';
import { type ErrorDetails, SluiceError } from '../../errors.ts';
import { type Dtype, dtypeSize } from './dtype.ts';

/** Where one tensor lies; little-endian, row-major. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Offset of the first byte in the file (not in the data section). */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Offset of the data section in the file. */
  readonly dataOffset: number;
  readonly fileBytes: number;
}

/** The format's own limit for the header. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Parses a safetensors header strictly (https://github.com/huggingface/safetensors#format): `head` holds the 8-byte
 * length and the JSON text, `fileBytes` is the size of the whole file. Every byte of the data section must belong to
 * exactly one tensor. Throws SluiceError `SAFETENSORS_*` with the path and the tensor's name.
 */
export function parseSafetensorsHeader(head: Uint8Array, fileBytes: number, path?: string): SafetensorsHeader {
  const length = headerLength(head, fileBytes, path);
  const fields = headerObject(head.subarray(8, 8 + length), path);
  const dataOffset = 8 + length;
  const metadata = metadataOf(fields.__metadata__, path);
  const entries = Object.entries(fields)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => entryOf(name, value, dataOffset, path));
  entries.sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = dataOffset;
  for (const entry of entries) {
    if (entry.offset !== end) {
      const what =
        entry.offset < end ? 'overlaps the tensor before it' : `leaves ${entry.offset - end} bytes unused before it`;
      throw fail('SAFETENSORS_OFFSETS', `Tensor ${entry.name} ${what}.`, path);
    }
    end = entry.offset + entry.length;
  }
  if (end > fileBytes) {
    throw fail('SAFETENSORS_TRUNCATED', `The file has ${fileBytes} bytes, but its tensors need ${end}.`, path, {
      hint: 'The file is truncated: copy or download it again.',
    });
  }
  if (end < fileBytes)
    throw fail('SAFETENSORS_OFFSETS', `${fileBytes - end} bytes at the end belong to no tensor.`, path);
  return { metadata, tensors: new Map(entries.map((entry) => [entry.name, entry])), dataOffset, fileBytes };
}

/** Reads and checks the header of a safetensors file; the tensors stay on disk. */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    const first = Buffer.alloc(Math.min(8, size));
    await file.read(first, 0, first.length, 0);
    const head = Buffer.alloc(8 + headerLength(first, size, path));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return parseSafetensorsHeader(head.subarray(0, bytesRead), size, path);
  } finally {
    await file.close();
  }
}

async function openFile(path: string) {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw fail('SAFETENSORS_UNREADABLE', `Cannot open ${path}.`, path, { cause });
  }
}

function headerLength(head: Uint8Array, fileBytes: number, path: string | undefined): number {
  if (head.length < 8 || fileBytes < 8) {
    throw fail('SAFETENSORS_TRUNCATED', `The file has ${fileBytes} bytes; a safetensors file has at least 8.`, path);
  }
  const length = new DataView(head.buffer, head.byteOffset, head.byteLength).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw fail('SAFETENSORS_HEADER', `The header claims ${length} bytes; the limit is ${MAX_HEADER_BYTES}.`, path, {
      hint: 'This is probably not a safetensors file.',
    });
  }
  if (8n + length > BigInt(fileBytes)) {
    throw fail('SAFETENSORS_TRUNCATED', `The header claims ${length} bytes, but the file has ${fileBytes}.`, path);
  }
  return Number(length);
}

function headerObject(text: Uint8Array, path: string | undefined): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (cause) {
    throw fail('SAFETENSORS_HEADER', 'The header is not valid UTF-8 JSON.', path, { cause });
  }
  if (!isObject(value)) throw fail('SAFETENSORS_HEADER', 'The header is not a JSON object.', path);
  return value;
}

function metadataOf(value: unknown, path: string | undefined): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) throw fail('SAFETENSORS_HEADER', '__metadata__ is not an object.', path);
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') throw fail('SAFETENSORS_HEADER', `__metadata__.${key} is not a string.`, path);
    return [key, text];
  });
  return Object.fromEntries(entries);
}

function entryOf(name: string, value: unknown, dataOffset: number, path: string | undefined): TensorEntry {
  const { dtype, shape, data_offsets: range } = isObject(value) ? value : {};
  const size = typeof dtype === 'string' ? dtypeSize(dtype) : undefined;
  if (size === undefined) {
    throw fail('SAFETENSORS_HEADER', `Tensor ${name} has the unknown dtype ${JSON.stringify(dtype)}.`, path);
  }
  if (!isSizes(shape)) throw fail('SAFETENSORS_HEADER', `Tensor ${name} has no valid shape.`, path);
  const [begin, end] = isSizes(range) && range.length === 2 ? range : [];
  if (begin === undefined || end === undefined || end < begin) {
    throw fail('SAFETENSORS_OFFSETS', `Tensor ${name} has no valid data_offsets.`, path);
  }
  const needed = shape.reduce((a, b) => a * b, 1) * size;
  if (needed !== end - begin) {
    throw fail(
      'SAFETENSORS_OFFSETS',
      `Tensor ${name} of shape [${shape.join(', ')}] and dtype ${dtype} needs ${needed} bytes, but has ${end - begin}.`,
      path,
    );
  }
  return { name, dtype: dtype as Dtype, shape, offset: dataOffset + begin, length: end - begin };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function fail(code: string, message: string, path: string | undefined, details: Omit<ErrorDetails, 'code'> = {}) {
  return new SluiceError(message, { code, path, ...details });
}
