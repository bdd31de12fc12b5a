import { SourceError } from '../errors.ts';
import type { OpenFile } from '../sources/open-file.ts';
import type { FoundFile } from '../sources/walk.ts';

/** Bytes handed on in one chunk. */
const CHUNK = 256 << 10;

/**
 * An open file whose bytes come as streams of ranges.
 *
 * @param range Exactly the bytes `[start, end)`, in chunks that may share their memory; or it throws.
 */
export function rangeFile(
  file: FoundFile,
  range: (start: number, end: number) => AsyncIterable<Uint8Array>,
  close: () => Promise<void> = async () => {},
): OpenFile {
  return {
    ...file,
    async read(start, end) {
      check(file, start, end);
      const bytes = Buffer.allocUnsafeSlow(end - start);
      let filled = 0;
      for await (const chunk of range(start, end)) {
        bytes.set(chunk, filled);
        filled += chunk.length;
      }
      return bytes;
    },
    async *stream(start, end) {
      check(file, start, end);
      let left = end - start;
      let held = Buffer.allocUnsafeSlow(Math.min(CHUNK, left));
      let filled = 0;
      for await (const chunk of range(start, end)) {
        for (let at = 0; at < chunk.length; ) {
          const piece = chunk.subarray(at, at + held.length - filled);
          held.set(piece, filled);
          filled += piece.length;
          at += piece.length;
          if (filled < held.length) continue;
          yield held;
          left -= filled;
          held = Buffer.allocUnsafeSlow(Math.min(CHUNK, left));
          filled = 0;
        }
      }
    },
    close,
  };
}

/** Before memory is taken for what somebody's table of contents says. */
function check({ uri, size }: FoundFile, start: number, end: number): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= size) return;
  throw new SourceError(`'${uri}' has ${size} bytes, and none from ${start} to ${end}`, {
    code: 'BAD_RANGE',
    path: uri,
  });
}
