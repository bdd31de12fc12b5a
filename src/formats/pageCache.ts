import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { PipelineError } from '../errors.ts';

/** Rows are read here and there, mostly: a large page takes longer to read, and leaves room for fewer. */
const PAGE_BYTES = 1 << 13;

export interface PageCacheOptions {
  /** Pages of 8 KiB held at once, in halves; a longer row takes the place of several. Default: 2048. */
  readonly pages?: number | undefined;
  /** Files open at once, one at least. Default: 128. */
  readonly files?: number | undefined;
}

const HINT = 'copy the folder again, or make it anew: run with --fresh where it is the output of this run';

interface OpenFile {
  readonly descriptor: number;
  readonly bytes: number;
}

/**
 * Rows and ranges of many files, read where they are needed: pages of rows that were read lately are kept, and so are
 * files open. For worker threads: reading blocks. Files do not change while it is open.
 *
 * @throws PipelineError `MISSING_FILE`, and `DAMAGED` where a file ends before what is asked for
 */
export class PageCache {
  readonly #pages: number;
  readonly #files: number;
  #young = new Map<string, Map<number, Uint8Array>>();
  #old = new Map<string, Map<number, Uint8Array>>();
  /** Pages that the young rows take. */
  #count = 0;
  readonly #open = new Map<string, OpenFile>();

  constructor({ pages = 2048, files = 128 }: PageCacheOptions = {}) {
    this.#pages = pages;
    this.#files = Math.max(1, files);
  }

  /** A row of a file, all of whose rows are of this size. */
  row(file: string, rowBytes: number, row: number): Uint8Array {
    const perPage = Math.max(1, Math.floor(PAGE_BYTES / rowBytes));
    const page = this.#page(file, Math.floor(row / perPage), perPage * rowBytes);
    const start = (row % perPage) * rowBytes;
    if (start + rowBytes <= page.length) return page.subarray(start, start + rowBytes);
    throw damaged(file, `it has no row ${row} of ${rowBytes} bytes`);
  }

  /** The bytes [start, end) of a file, which are not kept. */
  range(file: string, start: number, end: number): Uint8Array<ArrayBuffer> {
    const opened = this.#opened(file);
    // positions come out of other files: nothing is allocated for what is not there
    const lies = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end;
    if (!lies || end > opened.bytes)
      throw damaged(file, `it has ${opened.bytes} bytes, and none from ${start} to ${end}`);
    const bytes = new Uint8Array(end - start);
    if (read(opened, bytes, start) < bytes.length) throw damaged(file, `it ends before byte ${end}`);
    return bytes;
  }

  /** The length of a file in bytes. */
  bytes(file: string): number {
    return this.#opened(file).bytes;
  }

  close(): void {
    for (const { descriptor } of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
    this.#young.clear();
    this.#old.clear();
    this.#count = 0;
  }

  #page(file: string, number: number, bytes: number): Uint8Array {
    const young = this.#young.get(file)?.get(number);
    if (young !== undefined) return young;
    let page = this.#old.get(file)?.get(number);
    if (page === undefined) {
      const buffer = new Uint8Array(bytes);
      page = buffer.subarray(0, read(this.#opened(file), buffer, number * bytes));
    }
    if (this.#count >= this.#pages / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#count = 0;
    }
    const pages = this.#young.get(file) ?? new Map<number, Uint8Array>();
    this.#young.set(file, pages.set(number, page));
    this.#count += Math.ceil(bytes / PAGE_BYTES);
    return page;
  }

  #opened(file: string): OpenFile {
    const opened = this.#open.get(file) ?? open(file);
    // the one used longest ago comes first
    this.#open.delete(file);
    this.#open.set(file, opened);
    if (this.#open.size > this.#files) {
      for (const [oldest, { descriptor }] of this.#open) {
        this.#open.delete(oldest);
        closeSync(descriptor);
        break;
      }
    }
    return opened;
  }
}

function open(file: string): OpenFile {
  try {
    const descriptor = openSync(file, 'r');
    return { descriptor, bytes: fstatSync(descriptor).size };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new PipelineError('a file of an index is missing', {
      code: 'MISSING_FILE',
      path: file,
      hint: HINT,
      cause: error,
    });
  }
}

function read({ descriptor }: OpenFile, buffer: Uint8Array, start: number): number {
  let filled = 0;
  for (let bytes = -1; bytes !== 0 && filled < buffer.length; filled += bytes) {
    bytes = readSync(descriptor, buffer, filled, buffer.length - filled, start + filled);
  }
  return filled;
}

/** A file of an index does not hold what others say it does. */
export function damaged(file: string, what: string): PipelineError {
  return new PipelineError(`a file of an index is damaged: ${what}`, { code: 'DAMAGED', path: file, hint: HINT });
}
