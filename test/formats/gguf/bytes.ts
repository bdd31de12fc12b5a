/** Pieces of a GGUF file, written by hand: nothing here comes from the code under test. */

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

export const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

export const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

export const TYPE = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;

/** A key-value pair. */
export const pair = (key: string, type: number, ...value: Uint8Array[]): Buffer =>
  Buffer.concat([text(key), u32(type), ...value]);

/** A tensor's entry; `dimensions` innermost first, `type` as in ggml. */
export const info = (name: string, dimensions: readonly (number | bigint)[], type: number, offset: number | bigint) =>
  Buffer.concat([text(name), u32(dimensions.length), ...dimensions.map(u64), u32(type), u64(offset)]);

export interface FileParts {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: number | bigint;
  readonly keyCount?: number | bigint;
  readonly pairs?: readonly Uint8Array[];
  readonly infos?: readonly Uint8Array[];
  readonly alignment?: number;
  readonly data?: Uint8Array;
}

/** A file from its parts; the counts are those of the parts where not given. */
export function file(parts: FileParts = {}): Buffer {
  const { magic = 'GGUF', version = 3, pairs = [], infos = [], alignment = 32, data = Buffer.alloc(0) } = parts;
  const head = Buffer.concat([
    Buffer.from(magic),
    u32(version),
    u64(parts.tensorCount ?? infos.length),
    u64(parts.keyCount ?? pairs.length),
    ...pairs,
    ...infos,
  ]);
  const padding = data.length === 0 ? 0 : (alignment - (head.length % alignment)) % alignment;
  return Buffer.concat([head, Buffer.alloc(padding), data]);
}
