import path from 'node:path';
import { SluiceError } from '../errors.ts';
import { checkDocuments } from '../formats/checkDocuments.ts';
import { checkJax, checkSphere } from '../formats/checkExports.ts';
import { checkNpz } from '../formats/checkNpz.ts';
import { checkPatches, checkSignals } from '../formats/checkPatches.ts';
import { checkPatchLines } from '../formats/checkPatchLines.ts';
import { checkPatchedDocuments, checkPatchTable } from '../formats/checkPatchTables.ts';
import type { OpenQuantizers } from '../formats/checkQuantized.ts';
import { checkShardIndex } from '../formats/checkShardIndex.ts';
import { checkSidecar } from '../formats/checkSidecar.ts';
import { checkTables } from '../formats/checkTables.ts';
import { checkWebdataset } from '../formats/checkWebdataset.ts';
import { checkCorpus } from '../formats/corpus/checkCorpus.ts';
import { fileLines } from '../formats/fileChunks.ts';
import {
  CORPUS_FORMAT,
  DOCUMENTS_FORMAT,
  DUPLICATES_FORMAT,
  JAX_FORMAT,
  NPZ_FORMAT,
  PARQUET_DOCUMENTS_FORMAT,
  PARQUET_PATCHED_DOCUMENTS_FORMAT,
  PARQUET_PATCHES_FORMAT,
  PATCHES_FORMAT,
  PATCHES_JSONL_FORMAT,
  QUANTIZED_PATCHES_FORMAT,
  QUANTIZED_SIGNALS_FORMAT,
  REJECTS_FORMAT,
  SIDECAR_FORMAT,
  SIGNALS_FORMAT,
  SPHERE_FORMAT,
  SQLITE_DOCUMENTS_FORMAT,
  SQLITE_PATCHES_FORMAT,
  WEBDATASET_FORMAT,
  WEBDATASET_INDEX_FORMAT,
} from '../formats/names.ts';
import type { SidecarEnds } from '../formats/sidecarWalk.ts';
import { QUANTIZER_FORMAT } from '../quantization/quantizerFile.ts';
import type { Artefact } from '../sinks/artefact.ts';
import { partOf } from '../sinks/hypergraph/corpusStage.ts';

/** Formats of files that hold everything that a split yields. */
export const COUNTED_FORMATS = [
  PATCHES_FORMAT,
  QUANTIZED_PATCHES_FORMAT,
  SIDECAR_FORMAT,
  NPZ_FORMAT,
  WEBDATASET_FORMAT,
  PATCHES_JSONL_FORMAT,
  PARQUET_PATCHES_FORMAT,
  PARQUET_PATCHED_DOCUMENTS_FORMAT,
  SQLITE_DOCUMENTS_FORMAT,
  SQLITE_PATCHES_FORMAT,
];

/** Notes something wrong with the file in hand: a stable code, and a sentence about the file. */
export type Note = (code: string, what: string) => void;

/** What else of the output an artefact is checked against. */
export interface Around {
  /** Of a sidecar: what was found of the shard before it, where that is sound. */
  readonly before?: SidecarEnds | undefined;
  /** Sidecars of a folder in the order of the splits; undefined where one is missing or has other bytes than it should. */
  sidecars(dir: string): readonly Artefact[] | undefined;
  /** Quantizer files of the output. */
  readonly quantizers: OpenQuantizers;
  /** Lets other work go on; throws where nobody waits any more. */
  pause(): Promise<void>;
}

/**
 * Checks what one artefact holds by the rules of its format, and against the patches beside it; `sound` are the
 * artefacts of its split whose bytes are those that were committed. Formats without rules pass.
 */
export async function checkContent(
  root: string,
  artefact: Artefact,
  sound: ReadonlyMap<string, Artefact>,
  note: Note,
  around: Around,
): Promise<SidecarEnds | undefined> {
  const file = path.join(root, artefact.path);
  const complain = (what: string): void => note('CONTENT', what);
  const number = (key: string): number => numberOf(artefact, key);
  const { quantized } = artefact.info;
  const patchesBeside = (extension: string): Artefact | undefined =>
    sound.get(`${artefact.path.slice(0, -extension.length)}.safetensors`);
  try {
    switch (artefact.info.format) {
      case PATCHES_FORMAT:
      case QUANTIZED_PATCHES_FORMAT: {
        const sizes = { patches: number('patches'), bytes: number('bytes'), dim: number('dim') };
        await checkPatches(file, { format: artefact.info.format, ...sizes, quantized }, complain, around.quantizers);
        return undefined;
      }
      case NPZ_FORMAT:
        await checkNpz(
          file,
          { patches: number('patches'), bytes: number('bytes'), dim: number('dim'), parts: number('parts'), quantized },
          complain,
          around.quantizers,
        );
        return undefined;
      case WEBDATASET_FORMAT: {
        const { split, compression, patches } = artefact.info;
        const expected = {
          split: String(split),
          compression: String(compression),
          samples: number('samples'),
          documents: number('documents'),
          patches: patches === undefined ? undefined : number('patches'),
          bytes: number('bytes'),
          quantized,
        };
        await checkWebdataset(file, expected, complain, around.quantizers);
        return undefined;
      }
      case WEBDATASET_INDEX_FORMAT:
        await checkShardIndex(file, { shards: number('shards'), samples: number('samples') }, complain);
        return undefined;
      case SIGNALS_FORMAT:
      case QUANTIZED_SIGNALS_FORMAT: {
        const patches = patchesBeside('.signals.safetensors');
        if (patches !== undefined && numberOf(patches, 'bytes') !== number('bytes'))
          complain(`is not cut as ${patches.path} is`);
        const sizes = { bytes: number('bytes'), parts: number('parts') };
        await checkSignals(file, { format: artefact.info.format, ...sizes, quantized }, complain, around.quantizers);
        return undefined;
      }
      case SIDECAR_FORMAT: {
        const patches = patchesBeside('.hypergraph.db');
        if (patches !== undefined && numberOf(patches, 'patches') !== number('patches')) {
          complain(`is not cut as ${patches.path} is`);
          return undefined;
        }
        const beside = patches === undefined ? undefined : path.join(root, patches.path);
        const expected = { patches: number('patches'), bytes: number('bytes') };
        return await checkSidecar(file, expected, beside, complain, around.before);
      }
      case CORPUS_FORMAT: {
        const parts = around.sidecars(String(artefact.info['dir']))?.map((sidecar) => partOf(root, sidecar));
        if (parts !== undefined) await checkCorpus(file, parts, complain, around.pause);
        return undefined;
      }
      case REJECTS_FORMAT:
        await checkRejects(file, number('rejects'), note);
        return undefined;
      case DUPLICATES_FORMAT:
        await checkLines(file, number('duplicates'), ['id', 'duplicate_of'], note);
        return undefined;
      case DOCUMENTS_FORMAT:
        await checkLines(file, number('documents'), ['id', 'uri'], note);
        return undefined;
      case PATCHES_JSONL_FORMAT: {
        const counts = { documents: number('documents'), patches: number('patches'), bytes: number('bytes') };
        await checkPatchLines(file, { lines: number('lines'), ...counts, quantized }, complain, around.quantizers);
        return undefined;
      }
      case PARQUET_PATCHES_FORMAT:
      case PARQUET_PATCHED_DOCUMENTS_FORMAT: {
        const check = artefact.info.format === PARQUET_PATCHES_FORMAT ? checkPatchTable : checkPatchedDocuments;
        const sizes = { rows: number('rows'), patches: number('patches'), bytes: number('bytes') };
        await check(file, { ...sizes, quantized }, complain, around.quantizers);
        return undefined;
      }
      case SQLITE_DOCUMENTS_FORMAT:
      case SQLITE_PATCHES_FORMAT: {
        const given = (key: string): number | undefined => (artefact.info[key] === undefined ? undefined : number(key));
        const { format } = artefact.info;
        const counts = { documents: number('documents'), bytes: number('bytes') };
        const rows = { rows: given('rows'), patches: given('patches') };
        await checkTables(file, { format, ...counts, ...rows, quantized }, complain, around.quantizers);
        return undefined;
      }
      case JAX_FORMAT: {
        const sizes = { rows: number('rows'), patches: number('patches'), bytes: number('bytes'), dim: number('dim') };
        await checkJax(file, { ...sizes, quantized }, complain);
        return undefined;
      }
      case QUANTIZER_FORMAT:
        await around.quantizers(artefact.path);
        return undefined;
      case SPHERE_FORMAT:
        await checkSphere(file, { patches: number('patches'), dim: number('dim') }, complain);
        return undefined;
      case PARQUET_DOCUMENTS_FORMAT:
        await checkDocuments(file, number('documents'), complain);
        return undefined;
      default:
        return undefined;
    }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    note(error.code, error.message);
    return undefined;
  }
}

/** Checks a reject file: as many lines as were counted, each with a stage, a code and a message. */
export async function checkRejects(file: string, count: number, note: Note): Promise<void> {
  await checkLines(file, count, ['stage', 'code', 'message'], note);
}

async function checkLines(file: string, count: number, keys: readonly string[], note: Note): Promise<void> {
  let lines = 0;
  try {
    for await (const line of fileLines(file)) {
      lines++;
      const fault = faultOf(line, keys);
      if (fault !== undefined) note('LINE', `has ${fault} in line ${lines}`);
    }
  } catch (error) {
    note('UNREADABLE', `cannot be read behind line ${lines}: ${(error as Error).message}`);
    return;
  }
  if (lines !== count) note('LINES', `has ${lines} lines, and should have ${count}`);
}

function faultOf(line: string, keys: readonly string[]): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'no JSON';
  }
  if (typeof value !== 'object' || value === null) return 'no object';
  const members = new Map<string, unknown>(Object.entries(value));
  const missing = keys.find((key) => typeof members.get(key) !== 'string');
  return missing === undefined ? undefined : `no ${missing}`;
}

/** A number of an artefact's info; NaN, which equals nothing, where there is none. */
export function numberOf({ info }: Artefact, key: string): number {
  const value = info[key];
  return typeof value === 'number' ? value : Number.NaN;
}
