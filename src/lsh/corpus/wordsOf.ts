import { uint32From } from '../../formats/littleEndian.ts';
import { damaged, PageCache } from '../../formats/pageCache.ts';

/** Numbers that are read at once: a multiple of whole rows. */
const CHUNK = 1 << 20;

/** The numbers of a file that holds so many of them in each row. */
export function* wordsOf(file: string, perRow: number): Generator<Uint32Array, void, undefined> {
  const files = new PageCache({ files: 1 });
  try {
    const words = files.bytes(file) / 4;
    if (words % perRow !== 0) throw damaged(file, 'it ends within a row');
    for (let at = 0; at < words; at += CHUNK)
      yield uint32From(files.range(file, 4 * at, 4 * Math.min(at + CHUNK, words)));
  } finally {
    files.close();
  }
}
