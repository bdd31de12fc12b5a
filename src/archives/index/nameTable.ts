import type { FileHandle } from 'node:fs/promises';

/** Hash and place of an entry, six bytes each, big end first. */
export const NAME_ROW = 12;

/** Hashes are dealt out by their first eight bits. */
const BUCKETS = 256;
const BUCKET_BYTES = 512 * NAME_ROW;

interface Bucket {
  readonly bytes: Buffer;
  used: number;
  /** Where in the spill file its full buffers lie. */
  readonly spilled: number[];
}

/**
 * Sorts the rows of a name table in bounded memory: they are dealt out into buckets by the first bits of their hashes, full
 * buffers of which go to a file, and each bucket is sorted by itself. Hashes of names are even, so a bucket holds a 256th.
 */
export class NameTable {
  readonly #spill: FileHandle;
  #spilled = 0;
  readonly #buckets: (Bucket | undefined)[] = Array.from({ length: BUCKETS });

  /** @param spill an empty file of its own, which the caller closes and removes */
  constructor(spill: FileHandle) {
    this.#spill = spill;
  }

  async add(hash: number, place: number): Promise<void> {
    const index = Math.floor(hash / 2 ** 40);
    const bucket = this.#buckets[index] ?? { bytes: Buffer.allocUnsafe(BUCKET_BYTES), used: 0, spilled: [] };
    this.#buckets[index] = bucket;
    if (bucket.used === BUCKET_BYTES) {
      await this.#spill.write(bucket.bytes, 0, BUCKET_BYTES, this.#spilled);
      bucket.spilled.push(this.#spilled);
      this.#spilled += BUCKET_BYTES;
      bucket.used = 0;
    }
    bucket.bytes.writeUIntBE(hash, bucket.used, 6);
    bucket.bytes.writeUIntBE(place, bucket.used + 6, 6);
    bucket.used += NAME_ROW;
  }

  /** All rows, in ascending order of hashes, of equal ones in the order in which they were added; many at a time. */
  async *sorted(): AsyncGenerator<Buffer> {
    for (const bucket of this.#buckets) {
      if (bucket === undefined) continue;
      const rows = Buffer.allocUnsafe(bucket.spilled.length * BUCKET_BYTES + bucket.used);
      for (const [number, start] of bucket.spilled.entries()) {
        await this.#spill.read(rows, number * BUCKET_BYTES, BUCKET_BYTES, start);
      }
      rows.set(bucket.bytes.subarray(0, bucket.used), bucket.spilled.length * BUCKET_BYTES);
      yield sortedRows(rows);
    }
  }
}

function sortedRows(rows: Buffer): Buffer {
  const count = rows.length / NAME_ROW;
  const hashes = new Float64Array(count);
  for (let row = 0; row < count; row++) hashes[row] = rows.readUIntBE(row * NAME_ROW, 6);
  const order = Uint32Array.from(hashes.keys()).sort((a, b) => (hashes[a] ?? 0) - (hashes[b] ?? 0));
  const sorted = Buffer.allocUnsafe(rows.length);
  for (const [place, row] of order.entries()) rows.copy(sorted, place * NAME_ROW, row * NAME_ROW, (row + 1) * NAME_ROW);
  return sorted;
}
