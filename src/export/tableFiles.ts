import path from 'node:path';
import { SourceError } from '../errors.ts';
import { pull } from '../flow/index.ts';
import type { JsonValue } from '../json.ts';
import { openByteFile } from '../layouts/byteFile.ts';
import type { PatchRows, PatchTable, RowsOptions } from '../layouts/layout.ts';
import { besideShard } from '../layouts/openShard.ts';
import { openTable, type TableOptions } from '../layouts/openTable.ts';
import type { Sink } from '../sinks/sink.ts';
import { list } from '../sources/list.ts';
import { changed } from '../sources/open-file.ts';
import { type Stamp, stampOf } from '../sources/patchFiles/chain.ts';
import { isOutput, outputShards } from '../sources/patchFiles/output.ts';
import type { PlanContext, Source, Split } from '../sources/source.ts';
import { isTar } from '../sources/tar.ts';
import { Stores } from '../storage/stores.ts';

/** A safetensors file of patches, as it was when it was planned. */
export interface TableFile {
  /** Absolute. */
  readonly path: string;
  /** Base name without its ending; unique among the files. */
  readonly name: string;
  readonly tensors: Stamp;
  readonly sidecar: Stamp | null;
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
  /** See `TableOptions`. */
  readonly specialTokens: boolean;
  readonly quantizer?: string | undefined;
}

/** What is listed, and how it is read. */
export interface TableInputs extends TableOptions {
  readonly inputs: readonly string[];
  /** Folder of shards within an output. Default: the only one that holds patches. */
  readonly dir?: string | undefined;
}

const isTable = (uri: string): boolean => uri.endsWith('.safetensors') && !uri.endsWith('.signals.safetensors');

/**
 * Safetensors files of patches, in order: the shards of an output of ours, or files of any layout. It reads nothing of
 * them but counts: stages behind it read their rows where they need them, in ranges.
 *
 * @throws SourceError at plan time `NOT_FOUND`, `NO_FILES`, `ARCHIVE`, `INCOMPLETE`, `AMBIGUOUS`; SluiceError what a layout is checked for
 */
export function tableFiles(tables: TableInputs): Source<TableFile> {
  const { inputs, dir = null, specialTokens = true } = tables;
  return {
    kind: 'tableFiles',
    // where a quantizer lies decides nothing: the files say which one it must be
    options: { inputs, dir, specialTokens },
    async *splits(context) {
      const files = await listTables(tables, context);
      if (files.length === 0) {
        throw new SourceError(`there are no files of patches in '${inputs.join(', ')}'`, {
          code: 'NO_FILES',
          path: inputs[0],
          hint: 'give an output folder, or .safetensors files; of archives, what sluice export --to safetensors makes of them',
        });
      }
      const spec = { files: files.map((file) => ({ ...file })) };
      // interfaces have no index signature, which JsonValue asks for
      yield { bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), spec: spec as unknown as JsonValue };
    },
    read: (split) => pull(() => [filesOf([split])], { name: 'tableFiles', holds: 0 }),
  };
}

/** The same files, for whoever has to know them before a pipeline is made. */
export async function listTables(tables: TableInputs, context: PlanContext): Promise<TableFile[]> {
  const { inputs, dir, specialTokens = true, quantizer } = tables;
  const reading = { specialTokens, ...(quantizer === undefined ? {} : { quantizer: path.resolve(quantizer) }) };
  const names = new Map<string, number>();
  const named = (file: string): string => {
    const stem = path.basename(file, '.safetensors').replace(/[^\w-]+/g, '_');
    const count = names.get(stem) ?? 0;
    names.set(stem, count + 1);
    return count === 0 ? stem : `${stem}_${count}`;
  };
  const found = new Map<string, TableFile>();
  for (const input of inputs) {
    if (isOutput(input)) {
      for (const { path: file, patches, bytes, dim } of await outputShards(path.resolve(input), dir)) {
        if (!found.has(file))
          found.set(file, { ...(await stamped(file)), name: named(file), patches, bytes, dim, ...reading });
      }
      continue;
    }
    const { files } = await list(input, {}, context, isTable, new Stores());
    for await (const { location } of files) {
      if (found.has(location)) continue;
      if (isTar(location)) throw archive(location);
      const bytes = await openByteFile(location);
      try {
        const table = await openTable(bytes, reading, location);
        const counts = { patches: table.patches, bytes: table.bytes, dim: table.dim, ...reading };
        found.set(location, { ...(await stamped(location)), name: named(location), ...counts });
      } finally {
        await bytes.close();
      }
    }
  }
  return [...found.values()];
}

/** Rows are read in any order, which archives do not allow. */
function archive(location: string): SourceError {
  return new SourceError(`'${location}' is an archive, whose patches cannot be read in any order`, {
    code: 'ARCHIVE',
    path: location,
    hint: 'unpack it, or give what sluice export --to safetensors makes of it',
  });
}

async function stamped(file: string): Promise<Pick<TableFile, 'path' | 'tensors' | 'sidecar'>> {
  const tensors = await stampOf(file);
  if (tensors === null) throw new SourceError(`'${file}' is missing`, { code: 'NOT_FOUND', path: file });
  return { path: file, tensors, sidecar: await stampOf(besideShard(file).sidecar) };
}

/** The files that were planned. */
export function filesOf(splits: readonly Split[]): readonly TableFile[] {
  // What `tableFiles` wrote; the plan's digest vouches for it.
  return splits.flatMap((split) => (split.spec as unknown as { readonly files: readonly TableFile[] }).files);
}

/**
 * Opens a planned file; whoever opens it closes it.
 * @throws SourceError `INPUT_CHANGED`
 */
export async function openPlanned(file: TableFile): Promise<{ readonly table: PatchTable; close(): Promise<void> }> {
  await requireSame(file.path, file.tensors);
  const bytes = await openByteFile(file.path);
  try {
    return { table: await openTable(bytes, file, file.path), close: () => bytes.close() };
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

/** Chunks of rows [from, to) of all files together, in order. */
export async function* rowsOf(
  files: readonly TableFile[],
  options: Omit<RowsOptions, 'byteFrom'> = {},
): AsyncGenerator<PatchRows, void, undefined> {
  const { from: start = 0, to: end = Number.POSITIVE_INFINITY, ...rest } = options;
  let first = 0;
  for (const file of files) {
    const from = Math.max(start, first) - first;
    const to = Math.min(end - first, file.patches);
    first += file.patches;
    if (from >= to) continue;
    const { table, close } = await openPlanned(file);
    try {
      yield* table.rows({ ...rest, from, to });
    } finally {
      await close();
    }
  }
}

/** @throws SourceError `INPUT_CHANGED` */
export async function requireSame(file: string, planned: Stamp | null): Promise<void> {
  const now = await stampOf(file);
  if (now?.size === planned?.size && now?.mtimeMs === planned?.mtimeMs) return;
  throw changed(file, now === null ? 'it is gone' : 'it was written to');
}

/** Counts the files; everything else is done by the stages behind it, which read them where they lie. */
export function counting(kind: string, options: JsonValue, after: Sink<TableFile>['after']): Sink<TableFile> {
  return {
    kind,
    options,
    holds: 0,
    after,
    async open() {
      const counts = { files: 0, patches: 0, bytes: 0 };
      return {
        write({ patches, bytes }) {
          counts.files++;
          counts.patches += patches;
          counts.bytes += bytes;
        },
        finish: async () => counts,
      };
    },
  };
}
