import type { FileRef } from '../records.ts';

/** Bytes of files, one behind the other in a buffer that can be moved between threads. */
export class FileBytes {
  readonly buffer: Uint8Array<ArrayBuffer>;
  #end = 0;

  /** @param size Of all files together. */
  constructor(size: number) {
    this.buffer = new Uint8Array(size);
  }

  /** A copy that does not keep the page alive it was read from. */
  keep(bytes: Uint8Array): Uint8Array {
    const start = this.#end;
    this.#end += bytes.length;
    this.buffer.set(bytes, start);
    return this.buffer.subarray(start, this.#end);
  }
}

interface StoredFile {
  readonly bytes?: Uint8Array | null;
  readonly path?: Uint8Array | null;
  readonly url?: Uint8Array | null;
}

/** Bytes of the files in a stored value: a struct, bytes by themselves, a list of either, or null. */
export function storedBytes(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, one: unknown) => sum + storedBytes(one), 0);
  return typeof value === 'object' && value !== null ? ((value as StoredFile).bytes?.length ?? 0) : 0;
}

/** A struct without anything in it is how some writers put null. */
export function isEmptyStruct(value: unknown): boolean {
  const { bytes, path, url } = (value ?? {}) as StoredFile;
  return [bytes, path, url].every((member) => member === undefined || member === null);
}

/** A stored value of a file column, not null and no list, as what it stands for. */
export function fileOf(
  conversion: 'file' | 'fileBytes' | 'filePath',
  value: unknown,
  read: { bytes(stored: Uint8Array): Uint8Array; path(stored: Uint8Array): string },
): FileRef {
  // The schema was checked at plan time: every stored type that reaches a conversion is the one it is for.
  if (conversion === 'fileBytes') return { bytes: read.bytes(value as Uint8Array), path: null };
  if (conversion === 'filePath') return { bytes: null, path: read.path(value as Uint8Array) };
  const { bytes, path, url } = value as StoredFile;
  const where = path ?? url ?? null;
  return { bytes: bytes ? read.bytes(bytes) : null, path: where === null ? null : read.path(where) };
}
