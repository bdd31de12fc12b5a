import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Failure } from './failure.ts';
import { ZstdFrames } from './zstd-frames.ts';

export type Compression = 'gzip' | 'zstd';

/** Default of `maxExpansion`: plain text shrinks to a tenth, and text that shrinks to a 250th is hardly text. */
export const MAX_EXPANSION = 250;

/** Output below which the ratio is not looked at: a small file may well be all one letter. */
const EXPANSION_FLOOR = 16 << 20;

/** By the file name; content is not asked. */
export function compressionOf(uri: string): Compression | undefined {
  if (/\.(gz|tgz)$/i.test(uri)) return 'gzip';
  return /\.(zst|tzst)$/i.test(uri) ? 'zstd' : undefined;
}

/** zlib's own streams count the input that they consumed. */
type ZlibStream = Transform & { readonly bytesWritten: number };

/**
 * One decoder, driven chunk by chunk so that everything it has put out is taken before it sees more: a Node stream
 * throws away what is still unread when it fails, and a truncated file must lose nothing that lies before its end.
 */
class Decoder {
  readonly #stream: ZlibStream;
  #failure: unknown;
  #wake: () => void = () => {};
  ended = false;
  /** Input bytes of the last `write` that were used. Fewer than given: the rest belongs to a new frame. */
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

function truncated(compression: Compression, cause?: unknown): Failure {
  const hint = 'Copy the file again; what lies before the cut was read.';
  return new Failure('TRUNCATED', `the ${compression} stream ends too early`, hint, cause);
}

function understand(error: unknown, compression: Compression): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const code = String(error.code);
  if (code === 'Z_BUF_ERROR') return truncated(compression, error);
  if (!/^(Z_|ZSTD_)/.test(code)) return error;
  return new Failure(
    'CORRUPT_COMPRESSION',
    `the ${compression} stream is damaged: ${error.message}`,
    'Copy the file again; what lies before the damage was read.',
    error,
  );
}

/**
 * Decompresses a stream of any number of gzip members or zstd frames.
 *
 * @param maxExpansion Output bytes per input byte above which a stream counts as a bomb.
 * @throws Failure `TRUNCATED`, `CORRUPT_COMPRESSION`, `EXPANSION_LIMIT`, always after everything before was handed on.
 */
export async function* decompress(
  input: AsyncIterable<Uint8Array>,
  compression: Compression,
  maxExpansion: number,
): AsyncGenerator<Uint8Array> {
  const frames = compression === 'zstd' ? new ZstdFrames() : undefined;
  let decoder: Decoder | undefined;
  let bytesIn = 0;
  let bytesOut = 0;
  const checked = (output: Uint8Array): Uint8Array => {
    bytesOut += output.length;
    if (bytesOut > EXPANSION_FLOOR && bytesOut > bytesIn * maxExpansion) {
      throw new Failure(
        'EXPANSION_LIMIT',
        `the ${compression} stream grows to more than ${maxExpansion} times its size`,
        'Set maxExpansion higher if the file is to be trusted.',
      );
    }
    return output;
  };
  try {
    for await (const chunk of input) {
      bytesIn += chunk.length;
      frames?.push(chunk);
      let rest = chunk;
      while (rest.length > 0) {
        decoder ??= new Decoder(compression === 'gzip' ? createGunzip() : createZstdDecompress());
        for await (const output of decoder.write(rest)) yield checked(output);
        rest = rest.subarray(decoder.consumed);
        // Node ends a zstd stream behind its first frame; what is left is the next one.
        if (decoder.ended) {
          decoder.destroy();
          decoder = undefined;
        }
      }
    }
    if (decoder !== undefined) for await (const output of decoder.end()) yield checked(output);
    if (frames?.whole === false) throw truncated(compression);
  } catch (error) {
    throw understand(error, compression);
  } finally {
    decoder?.destroy();
  }
}
