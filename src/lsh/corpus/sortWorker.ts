import { moving } from '../../run/pool.ts';
import { sortedByRange } from './keyBlock.ts';

/** Worker module: puts a block of entries in the order of their keys. The buffer is moved both ways. */
export default function sortKeys(entries: Uint32Array<ArrayBuffer>): unknown {
  const sorted = sortedByRange(entries);
  return moving(sorted, [sorted.buffer]);
}
