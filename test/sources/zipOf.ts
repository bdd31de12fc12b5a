import { crc32, deflateRawSync, zstdCompressSync } from 'node:zlib';

/** A member, and everything about it that an archive may lie about. */
export interface ZipPart {
  readonly name: string | Uint8Array;
  readonly content?: Uint8Array | string;
  /** 0 stored, 8 deflated, 93 Zstandard; another one leaves the content as it is. Default: 8. */
  readonly method?: number;
  /** General purpose flags. Default: 0x800, names in UTF-8. */
  readonly flags?: number;
  /** Unix mode with the type of file. */
  readonly mode?: number;
  readonly crc?: number;
  readonly size?: number;
  /** Length that the directory tells of the packed content. */
  readonly packedSize?: number;
  /** Packed content in place of what the method would make. */
  readonly packed?: Uint8Array;
  /** Name in the member's own header. */
  readonly localName?: string;
  /** Where the directory says that the member lies. */
  readonly offset?: number;
  /** Sizes and checksum behind the content, and none in its header. */
  readonly descriptor?: boolean;
  /** Extra fields of the directory's entry and of the member's header. */
  readonly extra?: Uint8Array;
  readonly localExtra?: Uint8Array;
}

export interface ZipWhole {
  /** Number of members that the archive says it has. */
  readonly count?: number;
  readonly comment?: string;
  /** ZIP64 fields for everything that may have them. */
  readonly zip64?: boolean;
  /** Order of the directory, by number of member. Default: that of the members. */
  readonly order?: readonly number[];
}

function record(size: number, write: (view: DataView) => void): Buffer {
  const bytes = Buffer.alloc(size);
  write(new DataView(bytes.buffer, bytes.byteOffset, size));
  return bytes;
}

function zip64Field(...values: number[]): Buffer {
  return record(4 + 8 * values.length, (view) => {
    view.setUint16(0, 1, true);
    view.setUint16(2, 8 * values.length, true);
    for (const [index, value] of values.entries()) view.setBigUint64(4 + 8 * index, BigInt(value), true);
  });
}

/** A ZIP archive byte by byte: right where nothing else is said. */
export function zipOf(parts: readonly ZipPart[], whole: ZipWhole = {}): Buffer {
  const chunks: Buffer[] = [];
  let at = 0;
  const add = (...pieces: Uint8Array[]): void => {
    for (const piece of pieces) {
      chunks.push(Buffer.from(piece));
      at += piece.length;
    }
  };
  const entries = parts.map((part) => {
    const content = Buffer.from(part.content ?? '');
    const method = part.method ?? 8;
    const packed =
      part.packed ?? (method === 8 ? deflateRawSync(content) : method === 93 ? zstdCompressSync(content) : content);
    const crc = part.crc ?? crc32(content);
    const size = part.size ?? content.length;
    const flags = (part.flags ?? 0x800) | (part.descriptor ? 8 : 0);
    const name = Buffer.from(part.name);
    const localName = Buffer.from(part.localName ?? name);
    const localExtra = Buffer.from(part.localExtra ?? []);
    const offset = at;
    add(
      record(30, (view) => {
        view.setUint32(0, 0x04034b50, true);
        view.setUint16(4, 20, true);
        view.setUint16(6, flags, true);
        view.setUint16(8, method, true);
        if (!part.descriptor) {
          view.setUint32(14, crc, true);
          view.setUint32(18, packed.length, true);
          view.setUint32(22, size, true);
        }
        view.setUint16(26, localName.length, true);
        view.setUint16(28, localExtra.length, true);
      }),
      localName,
      localExtra,
      packed,
    );
    if (part.descriptor) {
      add(
        record(16, (view) => {
          view.setUint32(0, 0x08074b50, true);
          view.setUint32(4, crc, true);
          view.setUint32(8, packed.length, true);
          view.setUint32(12, size, true);
        }),
      );
    }
    return {
      part,
      name,
      method,
      flags,
      crc,
      size,
      packed: part.packedSize ?? packed.length,
      offset: part.offset ?? offset,
    };
  });
  const directory = at;
  for (const number of whole.order ?? parts.keys()) {
    const { part, name, method, flags, crc, size, packed, offset } = entries[number]!;
    const extra = Buffer.concat([
      whole.zip64 ? zip64Field(size, packed, offset) : Buffer.alloc(0),
      part.extra ?? Buffer.alloc(0),
    ]);
    const long = (value: number): number => (whole.zip64 ? 0xffffffff : value);
    add(
      record(46, (view) => {
        view.setUint32(0, 0x02014b50, true);
        view.setUint16(4, (part.mode === undefined ? 0 : 3 << 8) | 20, true);
        view.setUint16(6, 20, true);
        view.setUint16(8, flags, true);
        view.setUint16(10, method, true);
        view.setUint32(16, crc, true);
        view.setUint32(20, long(packed), true);
        view.setUint32(24, long(size), true);
        view.setUint16(28, name.length, true);
        view.setUint16(30, extra.length, true);
        view.setUint32(38, ((part.mode ?? 0) << 16) >>> 0, true);
        view.setUint32(42, long(offset), true);
      }),
      name,
      extra,
    );
  }
  const end = at;
  const count = whole.count ?? whole.order?.length ?? parts.length;
  if (whole.zip64) {
    add(
      record(56, (view) => {
        view.setUint32(0, 0x06064b50, true);
        view.setBigUint64(4, 44n, true);
        view.setBigUint64(24, BigInt(count), true);
        view.setBigUint64(32, BigInt(count), true);
        view.setBigUint64(40, BigInt(end - directory), true);
        view.setBigUint64(48, BigInt(directory), true);
      }),
      record(20, (view) => {
        view.setUint32(0, 0x07064b50, true);
        view.setBigUint64(8, BigInt(end), true);
        view.setUint32(16, 1, true);
      }),
    );
  }
  const comment = Buffer.from(whole.comment ?? '');
  add(
    record(22, (view) => {
      view.setUint32(0, 0x06054b50, true);
      view.setUint16(8, whole.zip64 ? 0xffff : count, true);
      view.setUint16(10, whole.zip64 ? 0xffff : count, true);
      view.setUint32(12, whole.zip64 ? 0xffffffff : end - directory, true);
      view.setUint32(16, whole.zip64 ? 0xffffffff : directory, true);
      view.setUint16(20, comment.length, true);
    }),
    comment,
  );
  return Buffer.concat(chunks);
}
