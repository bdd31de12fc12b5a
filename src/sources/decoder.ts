import type { Transform } from 'node:stream';

/** zlib's own streams count the input that they consumed. */
type ZlibStream = Transform & { readonly bytesWritten: number };

/** What turns chunks of a compressed stream into chunks of its content; one stretch of it, if it has several. */
export interface Decoding {
  /** True once the stretch is over; what the last `write` has left belongs to the next. */
  readonly ended: boolean;
  /** Input bytes of the last `write` that were used. */
  readonly consumed: number;
  write(chunk: Uint8Array): AsyncIterable<Uint8Array>;
  /** Says that there is no more input. */
  end(): AsyncIterable<Uint8Array>;
  destroy(): void;
}

/**
 * One zlib stream, driven chunk by chunk so that everything it has put out is taken before it sees more: a Node stream
 * throws away what is still unread when it fails, and a truncated file must lose nothing that lies before its end.
 */
export class Decoder implements Decoding {
  readonly #stream: ZlibStream;
  #failure: unknown;
  #wake: () => void = () => {};
  ended = false;
  consumed = 0;

  constructor(stream: ZlibStream) {
    this.#stream = stream;
    stream.on('readable', () => this.#wake());
    stream.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    stream.on('error', (error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  async *write(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
    const before = this.#stream.bytesWritten;
    let written = false;
    this.#stream.write(chunk, () => {
      written = true;
      this.#wake();
    });
    yield* this.#drain(() => written);
    this.consumed = this.#stream.bytesWritten - before;
  }

  async *end(): AsyncGenerator<Uint8Array> {
    this.#stream.end();
    yield* this.#drain(() => false);
  }

  destroy(): void {
    this.#stream.destroy();
  }

  async *#drain(done: () => boolean): AsyncGenerator<Uint8Array> {
    for (;;) {
      const output: unknown = this.#stream.read();
      if (output instanceof Uint8Array) {
        yield output;
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.ended || done()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
