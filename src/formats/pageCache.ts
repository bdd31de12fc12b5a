import { closeSync, openSync, readSync } from 'node:fs';

const PAGE_BYTES = 1 << 16;

export interface PageCacheOptions {
  /** Pages of 64 KiB held at once, in halves. Default: 256. */
  readonly pages?: number | undefined;
  /** Files open at once. Default: 128. */
  readonly files?: number | undefined;
}

/**
 * Rows and ranges of many files, read where they are needed: pages of rows that were read lately are kept, and so are
 * files open. For worker threads: reading blocks.
 */
export class PageCache {
  readonly #pages: number;
  readonly #files: number;
  #young = new Map<string, Map<number, Uint8Array>>();
  #old = new Map<string, Map<number, Uint8Array>>();
  #count = 0;
  readonly #open = new Map<string, number>();

  constructor({ pages = 256, files = 128 }: PageCacheOptions = {}) {
    this.#pages = pages;
    this.#files = files;
  }

  /** A row of a file of rows of one size. Throws RangeError where the file ends before it. */
  row(file: string, rowBytes: number, row: number): Uint8Array {
    const perPage = Math.max(1, Math.floor(PAGE_BYTES / rowBytes));
    const page = this.#page(file, Math.floor(row / perPage), perPage * rowBytes);
    const start = (row % perPage) * rowBytes;
    if (start + rowBytes > page.length) throw new RangeError(`${file} ends before row ${row} of ${rowBytes} bytes`);
    return page.subarray(start, start + rowBytes);
  }

  /** The bytes [start, end) of a file, which are not kept. Throws RangeError where the file ends before them. */
  range(file: string, start: number, end: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(end - start);
    if (this.#read(file, bytes, start) === bytes.length) return bytes;
    throw new RangeError(`${file} ends before byte ${end}`);
  }

  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
    this.#young.clear();
    this.#old.clear();
  }

  #page(file: string, number: number, bytes: number): Uint8Array {
    const young = this.#young.get(file)?.get(number);
    if (young !== undefined) return young;
    let page = this.#old.get(file)?.get(number);
    if (page === undefined) {
      const buffer = new Uint8Array(bytes);
      page = buffer.subarray(0, this.#read(file, buffer, number * bytes));
    }
    if (this.#count >= this.#pages / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#count = 0;
    }
    const pages = this.#young.get(file) ?? new Map<number, Uint8Array>();
    this.#young.set(file, pages.set(number, page));
    this.#count++;
    return page;
  }

  #read(file: string, buffer: Uint8Array, start: number): number {
    const descriptor = this.#descriptor(file);
    let filled = 0;
    for (let read = -1; read !== 0 && filled < buffer.length; filled += read) {
      read = readSync(descriptor, buffer, filled, buffer.length - filled, start + filled);
    }
    return filled;
  }

  #descriptor(file: string): number {
    const known = this.#open.get(file);
    const descriptor = known ?? openSync(file, 'r');
    // the one used longest ago comes first
    this.#open.delete(file);
    this.#open.set(file, descriptor);
    if (this.#open.size > this.#files) {
      const [oldest = file] = this.#open.keys();
      closeSync(this.#open.get(oldest) ?? descriptor);
      this.#open.delete(oldest);
    }
    return descriptor;
  }
}
