import path from 'node:path';
import type { JobStage } from '../../run/jobStage.ts';
import { sharedPool, workerModule } from '../../run/pool.ts';
import type { Artefact } from '../artefact.ts';
import { artefactsOf } from '../gatherFiles.ts';
import { type DatabaseAnswer, requireDone } from '../hypergraph/failure.ts';
import type { GatherTask } from './gatherWorker.ts';
import type { TableSpec } from './schema.ts';

/** SQLite's cache, and rows on their way. */
const HOLDS = 80 << 20;

/** One database of those of all splits, which may go then. `tables` tells what those of each format have; the first is that of an empty one. */
export function gatherTables(
  dir: string,
  into: string,
  tables: ReadonlyMap<string, () => readonly TableSpec[]>,
): JobStage {
  return {
    name: `${dir}/gather`,
    holds: HOLDS,
    files: [into],
    tasks: async () => ['0'],
    async run(context) {
      const parts = artefactsOf(context, dir, ...tables.keys());
      const format = String(parts[0]?.info.format ?? [...tables.keys()][0]);
      const file = await context.file(into);
      // a worker that is ended midway ends the process: it is told instead, and waited for
      const stop = new Int32Array(new SharedArrayBuffer(4));
      const abort = (): void => {
        stop[0] = 1;
      };
      context.signal.addEventListener('abort', abort, { once: true });
      try {
        const task: GatherTask = {
          file: file.temporary,
          format,
          tables: tables.get(format)?.() ?? [],
          parts: parts.map((part) => path.join(context.root, part.path)),
          stop,
        };
        const module = workerModule(import.meta.url, './gatherWorker');
        const answer = await sharedPool().run<DatabaseAnswer<null>>(module, task);
        context.signal.throwIfAborted();
        requireDone(answer, into, file.temporary);
        const { quantized } = parts[0]?.info ?? {};
        await file.publish({ format, ...(quantized !== undefined && { quantized }), ...sums(parts) });
        return { files: parts.length };
      } finally {
        context.signal.removeEventListener('abort', abort);
      }
    },
  };
}

/** What the files count together. */
function sums(parts: readonly Artefact[]): Record<string, number> {
  const counts: Record<string, number> = parts.length === 0 ? { documents: 0, bytes: 0 } : {};
  for (const { info } of parts) {
    for (const [key, value] of Object.entries(info)) {
      if (typeof value === 'number' && key !== 'shard') counts[key] = (counts[key] ?? 0) + value;
    }
  }
  return counts;
}
