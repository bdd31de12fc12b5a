import { SluiceError } from '../errors.ts';
import { buildSidecar, type SidecarContent } from '../formats/sidecar.ts';
import { openSqlite, sqliteError } from '../formats/sqlite.ts';

export interface SidecarTask {
  /** Absolute path of a file that does not exist yet. */
  readonly file: string;
  readonly content: SidecarContent;
}

/** An error as it crosses the thread boundary, where classes and their members are lost. */
export interface SidecarFailure {
  readonly message: string;
  readonly code: string;
  readonly hint?: string | undefined;
}

/** Builds one sidecar in a worker thread, where SQLite's synchronous calls hold nobody up. */
export default async function buildSidecarFile({ file, content }: SidecarTask): Promise<SidecarFailure | undefined> {
  try {
    const db = await openSqlite(file);
    try {
      buildSidecar(db, content);
    } catch (error) {
      throw sqliteError(error, file);
    } finally {
      db.close();
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return { message: error.message, code: error.code, hint: error.hint };
  }
}
