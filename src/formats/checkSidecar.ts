import { SluiceError } from '../errors.ts';
import { checkContent } from './checkContent.ts';
import { checkLinks } from './checkLinks.ts';
import type { Complain } from './checkNumbers.ts';
import type { ExpectedShard } from './checkPatches.ts';
import { float32From, int32From } from './littleEndian.ts';
import { readSafetensorsHeader } from './safetensors/read.ts';
import { readTensor } from './safetensors/readTensor.ts';
import { type Beside, type SidecarEnds, SidecarWalk, type Walked } from './sidecarWalk.ts';
import { openSqlite } from './sqlite.ts';

/**
 * Checks a hypergraph sidecar: every row of every table must be the one that documents, segments and (where there is
 * one) the safetensors file beside it ask for: trees, edges, offsets, prominence, and documents and segments that cover
 * all patches and bytes without gap; links between documents and between patches, which are found anew where there are
 * embeddings. The content of every document is hashed.
 * Rows are streamed; beside them 12 bytes for each patch of the shard are held, and its embeddings where they are linked.
 *
 * @throws SluiceError where the file is no database or lacks a table
 */
export async function checkSidecar(
  file: string,
  expected: Omit<ExpectedShard, 'dim'>,
  patchesFile: string | undefined,
  complain: Complain,
  before?: SidecarEnds | undefined,
): Promise<SidecarEnds> {
  const db = await openSqlite(file, { readonly: true, fileMustExist: true });
  try {
    const beside = patchesFile === undefined ? undefined : await readBeside(patchesFile);
    const version = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'schema_version'").pluck().get();
    if (version !== '3') complain(`has schema version '${version ?? ''}', not 3`);
    const walk = new SidecarWalk(db, beside, complain);
    let ends: Walked;
    try {
      ends = walk.walk(expected);
    } finally {
      walk.close();
    }
    const { places, ...counts } = ends;
    // numbers of links go on from those of trees
    if (walk.isSound) await checkLinks(db, counts, patchesFile, complain);
    if (beside === undefined) return places;
    return { ...places, whole: await checkContent(db, beside.file, complain, before?.whole) };
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError(`cannot be read: ${(error as Error).message}`, {
      code: 'BAD_SIDECAR',
      path: file,
      cause: error,
    });
  } finally {
    db.close();
  }
}

async function readBeside(file: string): Promise<Beside> {
  const header = await readSafetensorsHeader(file);
  const read = (name: string): Promise<Uint8Array> => readTensor(file, header, name);
  return {
    file,
    lengths: int32From(await read('patch_lengths')),
    prominence: float32From(await read('prominence')),
    entropy: float32From(await read('patch_entropies')),
  };
}
