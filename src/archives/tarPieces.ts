import type { OpenFile } from '../sources/open-file.ts';
import { type TarHeader, tarHeaders } from './tarHeaders.ts';

/**
 * Ranges of about `bytes` that a plain tar archive is read in, each the start of a member, with the extended headers that
 * belong to it, to the start of another; together they are the file.
 *
 * It is not cut behind a global header, which binds all members behind it together, nor where it is damaged: whoever
 * reads the last range reports that.
 *
 * @param cuts Whether a range may begin with this member. Asked of every member, in order.
 */
export async function* tarPieces(
  file: OpenFile,
  bytes: number,
  cuts: (header: TarHeader) => boolean,
): AsyncGenerator<{ readonly start: number; readonly end: number }> {
  let bound = false;
  let start = 0;
  const silent = (): void => {};
  const bind = (): void => {
    bound = true;
  };
  for await (const header of tarHeaders(file, silent, bind)) {
    if (bound) break;
    if (!cuts(header) || header.start - start < bytes) continue;
    yield { start, end: header.start };
    start = header.start;
  }
  yield { start, end: file.size };
}
