import path from 'node:path';
import type { SidecarEnds } from '../formats/sidecarWalk.ts';

export interface CheckedSidecar {
  /** Number within its split. */
  readonly shard: number;
  readonly path: string;
  readonly ends: SidecarEnds;
}

/** A document that does not end in a shard goes on at the beginning of the next, and nothing else does. */
export function checkParts(sidecars: readonly CheckedSidecar[], find: (file: string, what: string) => void): void {
  for (const unsorted of Map.groupBy(sidecars, (sidecar) => path.posix.dirname(sidecar.path)).values()) {
    const list = unsorted.toSorted((a, b) => a.shard - b.shard);
    list.forEach(({ shard, path: file, ends: { first } }, i) => {
      const last = list[i - 1]?.shard === shard - 1 ? list[i - 1]?.ends.last : undefined;
      if (first === undefined || (first.part === 0 && shard === 0)) return;
      if (last === undefined) {
        if (first.part > 0 && shard === 0) find(file, `begins with part ${first.part} of document '${first.id}'`);
        return;
      }
      const follows =
        first.part === 0 ||
        (first.id === last.id &&
          first.part === last.part + 1 &&
          !last.complete &&
          first.patchesBefore === last.patchesBefore + last.patches &&
          first.bytesBefore === last.bytesBefore + last.bytes);
      if (!follows) find(file, `goes on with document '${first.id}' where the shard before it does not end`);
    });
  }
}
