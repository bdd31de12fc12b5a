import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Decoder, type Decoding } from './decoder.ts';
import { Failure } from './failure.ts';
import { GzipMember } from './gzip-member.ts';
import { ZstdFrames } from './zstd-frames.ts';

export type Compression = 'gzip' | 'zstd';

/** Default of `maxExpansion`: plain text shrinks to a tenth, and text that shrinks to a 250th is hardly text. */
export const MAX_EXPANSION = 250;

/** Output below which the ratio is not looked at: a small file may well be all one letter. */
export const EXPANSION_FLOOR = 16 << 20;

/** Bytes of output in one go: with zlib's own 16 KiB, half the time goes into handing them over. */
export const OUTPUT_CHUNK = 128 << 10;

/** By the file name; content is not asked. */
export function compressionOf(uri: string): Compression | undefined {
  if (/\.(gz|tgz)$/i.test(uri)) return 'gzip';
  return /\.(zst|tzst)$/i.test(uri) ? 'zstd' : undefined;
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
 * @param onFrame Told of every end of a member or frame that something follows, with the offsets behind it in the
 * compressed stream and in its content, once all of the content before was handed on: reading may begin anew there.
 * @throws Failure `TRUNCATED`, `CORRUPT_COMPRESSION`, `EXPANSION_LIMIT`, always after everything before was handed on.
 */
export async function* decompress(
  input: AsyncIterable<Uint8Array>,
  compression: Compression,
  maxExpansion: number,
  onFrame?: (bytesIn: number, bytesOut: number) => void,
): AsyncGenerator<Uint8Array> {
  const frames = compression === 'zstd' ? new ZstdFrames() : undefined;
  let decoder: Decoding | undefined;
  let begun = 0;
  let bytesIn = 0;
  let bytesOut = 0;
  const begin = (): Decoding => {
    begun++;
    if (compression === 'zstd') return new Decoder(createZstdDecompress({ chunkSize: OUTPUT_CHUNK }));
    if (onFrame !== undefined) return new GzipMember(begun === 1, OUTPUT_CHUNK);
    return new Decoder(createGunzip({ chunkSize: OUTPUT_CHUNK }));
  };
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
        decoder ??= begin();
        for await (const output of decoder.write(rest)) yield checked(output);
        rest = rest.subarray(decoder.consumed);
        // Node ends a zstd stream behind its first frame; what is left is the next one.
        if (decoder.ended) {
          decoder.destroy();
          decoder = undefined;
          onFrame?.(bytesIn - rest.length, bytesOut);
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
