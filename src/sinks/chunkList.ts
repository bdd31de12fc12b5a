/** Arrays up to this size are gathered into blocks; larger ones are kept as they are. */
const BLOCK = 64 << 10;

/** What a file is written in, at least. */
export const COALESCE_BYTES = 256 << 10;

/**
 * Bytes that grow by appending, without ever being joined. Small arrays are copied into blocks that double up to 64 KiB,
 * so that a flow of tiny values costs about its own size; a large array is kept by reference where it owns (nearly) all
 * of its memory, and copied where it is a small view that would keep something big alive.
 */
export class ChunkList {
  readonly #chunks: Uint8Array[] = [];
  /** The part of the last block that is filled; undefined while the last chunk is not a block. */
  #block: Uint8Array | undefined;
  #filled = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (bytes.length > BLOCK) {
      this.#seal();
      this.#chunks.push(bytes.length >= bytes.buffer.byteLength * 0.9 ? bytes : bytes.slice());
      return;
    }
    if (this.#block === undefined || this.#filled + bytes.length > this.#block.length) {
      const size = Math.max(bytes.length, Math.min(BLOCK, this.#length));
      this.#seal();
      this.#block = new Uint8Array(size);
    }
    this.#block.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  *[Symbol.iterator](): Generator<Uint8Array, void, undefined> {
    yield* this.#chunks;
    if (this.#block !== undefined && this.#filled > 0) yield this.#block.subarray(0, this.#filled);
  }

  #seal(): void {
    if (this.#block !== undefined && this.#filled > 0) this.#chunks.push(this.#block.subarray(0, this.#filled));
    this.#block = undefined;
    this.#filled = 0;
  }
}

/** All bytes of several lists, one list after the other. */
export function* chained(lists: Iterable<Iterable<Uint8Array>>): Generator<Uint8Array, void, undefined> {
  for (const list of lists) yield* list;
}

/** Joins small neighbours, so that every chunk but the last has at least `least` bytes. */
export function* coalesced(
  chunks: Iterable<Uint8Array>,
  least = COALESCE_BYTES,
): Generator<Uint8Array, void, undefined> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    pending.push(chunk);
    bytes += chunk.length;
    if (bytes < least) continue;
    yield pending.length === 1 ? chunk : Buffer.concat(pending, bytes);
    pending = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(pending, bytes);
}
