import { concat } from './parts.ts';

export interface Line {
  /** Without its line end; often a view into the chunk it came in. Empty where the line is too long. */
  readonly bytes: Uint8Array;
  /** Offset of the first byte in the stream. */
  readonly byte: number;
  /** Length of a line that was dropped because it is longer than allowed. */
  readonly tooLong?: number;
}

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = new Uint8Array(0);

/** Cuts chunks of bytes at `\n` or `\r\n`, holding at most `maxBytes` of one line. */
export class LineSplitter {
  readonly #maxBytes: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #lineBytes = 0;
  #byte: number;

  /** @param start Offset of the first byte that will be pushed. */
  constructor(maxBytes: number, start = 0) {
    this.#maxBytes = maxBytes;
    this.#byte = start;
  }

  /** Offset of the line that is not finished yet. */
  get byte(): number {
    return this.#byte;
  }

  *push(chunk: Uint8Array): Generator<Line> {
    // The search of a Buffer is five times that of a Uint8Array.
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (let end = view.indexOf(LF); end !== -1; end = view.indexOf(LF, from)) {
      yield this.#line(chunk.subarray(from, end), 1);
      from = end + 1;
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from));
  }

  /** The last line, where the stream does not end with a line end. */
  *flush(): Generator<Line> {
    if (this.#lineBytes > 0) yield this.#line(NOTHING, 0);
  }

  #hold(piece: Uint8Array): void {
    this.#lineBytes += piece.length;
    if (this.#lineBytes > this.#maxBytes) {
      this.#held = [];
      this.#heldBytes = 0;
      return;
    }
    this.#held.push(piece);
    this.#heldBytes += piece.length;
  }

  #line(last: Uint8Array, terminator: number): Line {
    const byte = this.#byte;
    const length = this.#lineBytes + last.length;
    let line: Line;
    if (length > this.#maxBytes) line = { bytes: NOTHING, byte, tooLong: length };
    else {
      let bytes = last;
      if (this.#heldBytes > 0) bytes = concat([...this.#held, last], length);
      if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1);
      line = { bytes, byte };
    }
    this.#held = [];
    this.#heldBytes = 0;
    this.#lineBytes = 0;
    this.#byte = byte + length + terminator;
    return line;
  }
}
