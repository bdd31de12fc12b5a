import type { OpenFile } from '../sources/open-file.ts';

/** Bytes read at a time, of a file of this machine and from afar, where every read is a request. */
const LOCAL = 256 << 10;
const REMOTE = 1 << 20;
/** Of what lies this far behind the last read only few bytes are wanted: a header between large members. */
const FAR = { local: 64 << 10, remote: 1 << 20 };
const GLANCE = 16 << 10;

/** Small pieces of a file, read mostly forward: many of them come with one read. */
export class FileWindow {
  readonly file: OpenFile;
  readonly #most: number;
  readonly #glance: number;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  /** @param ahead Bytes read at once. Default: 256 KiB, or 1 MiB of a remote file, but few where a header lies by itself. */
  constructor(file: OpenFile, ahead?: number) {
    this.file = file;
    this.#most = ahead ?? (file.local === undefined ? REMOTE : LOCAL);
    this.#glance = ahead ?? GLANCE;
  }

  /** Bytes that a window takes. */
  static readonly holds = REMOTE;

  /** `[start, end)` of the file if it is at hand: a view, valid as long as it is held. */
  held(start: number, end: number): Uint8Array | undefined {
    const from = start - this.#start;
    return from < 0 || end - this.#start > this.#bytes.length
      ? undefined
      : this.#bytes.subarray(from, end - this.#start);
  }

  /** `[start, end)` of the file, which must have as many bytes: a view, valid as long as it is held. */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    const held = this.held(start, end);
    if (held !== undefined) return held;
    const far = start > this.#start + this.#bytes.length + (this.file.local === undefined ? FAR.remote : FAR.local);
    const ahead = Math.max(end - start, far ? this.#glance : this.#most);
    this.#bytes = await this.file.read(start, Math.min(this.file.size, start + ahead));
    this.#start = start;
    return this.#bytes.subarray(0, end - start);
  }
}
