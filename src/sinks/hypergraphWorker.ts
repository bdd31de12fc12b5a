import { buildSidecar, type SidecarContent } from '../formats/sidecar.ts';
import { openSqlite, sqliteError } from '../formats/sqlite.ts';
import { answering, type DatabaseAnswer } from './hypergraph/failure.ts';

export interface SidecarTask {
  /** Absolute path of a file that does not exist yet. */
  readonly file: string;
  readonly content: SidecarContent;
}

export type SidecarAnswer = DatabaseAnswer<undefined>;

/** Builds one sidecar in a worker thread, where SQLite's synchronous calls hold nobody up. */
export default function buildSidecarFile({ file, content }: SidecarTask): Promise<SidecarAnswer> {
  return answering(async () => {
    const db = await openSqlite(file);
    try {
      buildSidecar(db, content);
    } catch (error) {
      throw sqliteError(error, file);
    } finally {
      db.close();
    }
    return undefined;
  });
}
