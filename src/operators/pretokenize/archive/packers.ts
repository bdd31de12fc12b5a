import { decompress } from '../../../sources/compression.ts';
import { Failure } from '../../../sources/failure.ts';
import { xzStreams } from './xzStreams.ts';

/** Unpacks bytes; what comes is handed on at once, and who takes it may throw to end it. Throws `Failure` on damage. */
export type Unpacker = (bytes: Uint8Array, accept: (chunk: Uint8Array) => void) => Promise<void>;

/** Bytes handed to a decoder at once, so that what it makes of them is looked at before it makes more. */
const INPUT_CHUNK = 16 << 10;

function* pieces(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += INPUT_CHUNK) {
    yield Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(INPUT_CHUNK, bytes.length - at));
  }
}

function damaged(packer: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  // the bzip2 decoder reads on behind the end
  const why = error instanceof TypeError ? 'it ends too early' : error instanceof Error ? error.message : String(error);
  const message = `the ${packer} stream is damaged: ${why}`;
  return new Failure('CORRUPT_COMPRESSION', message, 'Copy the file again.', error);
}

const bunzip2: Unpacker = async (bytes, accept) => {
  const { default: unbzip2 } = await import('unbzip2-stream');
  const stream = unbzip2();
  let failure: unknown;
  stream.on('error', (error: unknown) => {
    failure ??= error;
  });
  // Called in the middle of its work: what is thrown here ends it.
  stream.on('data', accept);
  for (const piece of pieces(bytes)) {
    stream.write(piece);
    if (failure !== undefined) throw damaged('bzip2', failure);
  }
  stream.end();
  if (failure !== undefined) throw damaged('bzip2', failure);
};

/** A CommonJS module, whose names only its types tell. */
async function xzDecompress(): Promise<typeof import('xz-decompress')> {
  const module: unknown = await import('xz-decompress');
  return (module as { readonly default: typeof import('xz-decompress') }).default;
}

const unxz: Unpacker = async (bytes, accept) => {
  const { XzReadableStream } = await xzDecompress();
  for (const stream of xzStreams(bytes)) {
    const reader = new XzReadableStream(ReadableStream.from(pieces(stream))).getReader();
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) accept(next.value);
    } catch (error) {
      throw damaged('xz', error);
    } finally {
      // Until it is ended, no other one begins.
      await reader.cancel().catch(() => {});
    }
  }
};

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const zlib =
  (compression: 'gzip' | 'zstd'): Unpacker =>
  async (bytes, accept) => {
    // Its ratio is looked at by who takes it. Asked for its members, gzip passes over what follows the last of them.
    const members = (): void => {};
    for await (const chunk of decompress(whole(bytes), compression, Number.POSITIVE_INFINITY, members)) accept(chunk);
  };

/** Compressed streams of one file, by media type. */
export const UNPACKERS: Readonly<Record<string, Unpacker>> = {
  'application/gzip': zlib('gzip'),
  'application/zstd': zlib('zstd'),
  'application/x-bzip2': bunzip2,
  'application/x-xz': unxz,
};
