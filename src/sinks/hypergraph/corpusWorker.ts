import { buildCorpus, type CorpusCounts } from '../../formats/corpus/corpusGraph.ts';
import type { CorpusPart } from '../../formats/corpus/sidecarFile.ts';
import { openSqlite, sqliteError } from '../../formats/sqlite.ts';
import { answering, type DatabaseAnswer } from './failure.ts';

export interface CorpusTask {
  /** Absolute path of a file that does not exist yet. */
  readonly file: string;
  readonly parts: readonly CorpusPart[];
  /** Shared; becomes 1 where nobody waits any more. */
  readonly stop: Int32Array;
}

export type CorpusAnswer = DatabaseAnswer<CorpusCounts>;

/** Builds the database of a whole run in a worker thread. */
export default function buildCorpusFile({ file, parts, stop }: CorpusTask): Promise<CorpusAnswer> {
  const pause = (): void => {
    if (Atomics.load(stop, 0) === 1) throw new Error('nobody waits for the graph any more');
  };
  return answering(async () => {
    const db = await openSqlite(file);
    try {
      return await buildCorpus(db, { parts, pause });
    } catch (error) {
      throw sqliteError(error, file);
    } finally {
      db.close();
    }
  });
}
