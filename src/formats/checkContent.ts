import { createHash, type Hash } from 'node:crypto';
import type Sqlite from 'better-sqlite3';
import type { Complain } from './checkNumbers.ts';
import { tensorChunks } from './checkPatches.ts';
import { readSafetensorsHeader } from './safetensors/read.ts';
import type { DocumentRow } from './sidecarRows.ts';

/**
 * Hashes the bytes of every document in the safetensors file beside the sidecar.
 * @param before what this returned for the shard before: the hash so far of a document that goes on here
 */
export async function checkContent(
  db: Sqlite.Database,
  file: string,
  complain: Complain,
  before?: Hash | undefined,
): Promise<Hash | undefined> {
  const header = await readSafetensorsHeader(file);
  const rows = db.prepare<[], DocumentRow>('SELECT * FROM documents ORDER BY document').iterate();
  let document = rows.next();
  let hash = createHash('sha256');
  let left = document.done ? 0 : document.value.bytes;
  let whole = document.done || document.value.part === 0 ? undefined : before?.copy();
  let goesOn: Hash | undefined;
  const close = (): void => {
    while (!document.done && left === 0) {
      const { doc_id, content_sha256, whole_sha256, part, complete } = document.value;
      goesOn = complete === 1 ? undefined : (whole ?? (part === 0 ? hash.copy() : undefined));
      const isSound = whole === undefined || whole.copy().digest('hex') === whole_sha256;
      if (hash.digest('hex') !== content_sha256 || !isSound)
        complain(`lists document '${doc_id}' with a hash that its bytes do not have`);
      whole = undefined;
      hash = createHash('sha256');
      document = rows.next();
      left = document.done ? 0 : document.value.bytes;
    }
  };
  try {
    close();
    for await (const chunk of tensorChunks(file, header, 'bytes')) {
      for (let at = 0; at < chunk.length && !document.done; close()) {
        const piece = chunk.subarray(at, at + left);
        hash.update(piece);
        whole?.update(piece);
        left -= piece.length;
        at += piece.length;
      }
    }
  } finally {
    rows.return?.();
  }
  return goesOn;
}
