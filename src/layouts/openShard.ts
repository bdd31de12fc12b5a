import { existsSync } from 'node:fs';
import path from 'node:path';
import type Sqlite from 'better-sqlite3';
import { openSqlite } from '../formats/sqlite.ts';
import { type ByteFile, openByteFile } from './byteFile.ts';
import { type LayoutDocument, wholeDocument } from './document.ts';
import type { PatchTable } from './layout.ts';
import { type TableOptions, tableOf } from './openTable.ts';
import { listsDocuments, shardDocuments } from './shardDocuments.ts';
import { Tensors } from './tensors.ts';

const TENSORS = /\.safetensors$/;

/** What lies beside a shard of this program: its sidecar and its signals. */
export function besideShard(file: string): { readonly sidecar: string; readonly signals: string } {
  const stem = file.replace(TENSORS, '');
  return { sidecar: `${stem}.hypergraph.db`, signals: `${stem}.signals.safetensors` };
}

/** A shard of this program with what lies beside it. */
export interface Shard {
  readonly table: PatchTable;
  /** Documents, and parts of them, as the sidecar lists them; without one, the whole shard is one. */
  documents(): AsyncGenerator<LayoutDocument, void, undefined>;
  /** Closes the files beside it, and the shard itself. */
  close(): Promise<void>;
}

/**
 * Opens a shard of this program.
 * @param file its path on this machine
 * @throws SluiceError `WRONG_TENSOR` where its signals are of other bytes, and what a layout is checked for; OutputError
 *   `MISSING_PACKAGE` without better-sqlite3
 */
export async function openShard(tensors: Tensors, file: string, options: TableOptions = {}): Promise<Shard> {
  const { sidecar, signals } = besideShard(file);
  let beside: ByteFile | undefined;
  let db: Sqlite.Database | undefined;
  const close = async (): Promise<void> => {
    db?.close();
    await beside?.close();
    await tensors.file.close();
  };
  try {
    beside = existsSync(signals) ? await openByteFile(signals) : undefined;
    const table = await tableOf(tensors, options, { near: file, signals: beside && (await Tensors.open(beside)) });
    db = existsSync(sidecar) ? await openSqlite(sidecar, { readonly: true, fileMustExist: true }) : undefined;
    const listed = db !== undefined && listsDocuments(db) ? db : undefined;
    return {
      table,
      close,
      async *documents() {
        if (listed !== undefined) yield* shardDocuments(listed, table);
        else yield wholeDocument(path.basename(file).replace(TENSORS, ''), path.basename(file), table);
      },
    };
  } catch (error) {
    db?.close();
    await beside?.close();
    throw error;
  }
}
