import { existsSync } from 'node:fs';
import path from 'node:path';
import { OutputError } from '../errors.ts';
import { tensorChunks } from '../formats/checkPatches.ts';
import { fileLines } from '../formats/fileChunks.ts';
import { int32From } from '../formats/littleEndian.ts';
import {
  PATCHES_FORMAT,
  QUANTIZED_PATCHES_FORMAT,
  QUANTIZED_SIGNALS_FORMAT,
  REJECTS_FORMAT,
  SIDECAR_FORMAT,
  SIGNALS_FORMAT,
} from '../formats/names.ts';
import { readSafetensorsHeader } from '../formats/safetensors/read.ts';
import { openSqlite } from '../formats/sqlite.ts';
import { openByteFile } from '../layouts/byteFile.ts';
import { openField } from '../layouts/quantized/fieldReader.ts';
import { Tensors } from '../layouts/tensors.ts';
import { MODALITIES, type Modality } from '../records.ts';
import { type CommitRecord, readCommit, taskCommitNames } from '../run/commitRecord.ts';
import { isTemporary } from '../run/jobStage.ts';
import { LimitFollower } from '../run/limitFollower.ts';
import { buildManifest, MANIFEST_FILE } from '../run/manifest.ts';
import { PLAN_REJECTS, readPlan } from '../run/plan.ts';
import type { Artefact } from '../sinks/artefact.ts';
import { type DedupInspection, dedupOf } from './dedupReport.ts';
import { type Distribution, distributionOf, type Floats } from './distribution.ts';
import { type QuantizationInspection, quantizationOf } from './quantizationReport.ts';

/** Documents by size, in bytes: tiny below 512, small below 2048, medium below 8192, large below 32768, huge above. */
const sizeClasses = [
  ['tiny', 512],
  ['small', 2048],
  ['medium', 8192],
  ['large', 32768],
  ['huge', Number.POSITIVE_INFINITY],
] as const;

/** Numbers that are read at a time. */
const ROWS = 1 << 18;

interface DocumentLine {
  readonly id: string;
  readonly uri: string;
  readonly modality: string;
  readonly bytes: number;
}

/** Part of a modality in what was written; `mean_patch` in bytes. */
export interface ModalityShare {
  readonly modality: Modality;
  readonly segments: number;
  readonly bytes: number;
  readonly patches: number;
  readonly mean_patch: number;
}

/** What an output folder holds, as `sluice inspect --json` prints it. */
export interface Inspection {
  readonly pipeline: string;
  readonly sluice: string;
  /** Whether the run has come to its end: every split is committed, or those that a document limit lets it read. */
  readonly complete: boolean;
  readonly splits: { readonly planned: number; readonly committed: number };
  readonly totals: Readonly<Record<string, number>>;
  /** What was dropped as a duplicate; absent where nothing was deduplicated. */
  readonly dedup?: DedupInspection;
  /** Files by format. */
  readonly files: readonly { readonly format: string; readonly files: number; readonly bytes: number }[];
  /** Fields that were quantized, what they take, and what it has cost. Absent where none was. */
  readonly quantization?: readonly QuantizationInspection[];
  /** What sidecars list; absent where there are none. */
  readonly documents?: {
    readonly count: number;
    readonly bytes: number;
    readonly modalities: readonly { readonly modality: string; readonly documents: number; readonly bytes: number }[];
    readonly sizes: readonly { readonly size: string; readonly below: number | null; readonly documents: number }[];
    readonly largest: readonly DocumentLine[];
  };
  /** What patches were cut from, most bytes first. Absent where nothing was. */
  readonly mix?: readonly ModalityShare[];
  /** In nats: of every byte where there are signals files, else the mean of every patch. Absent without either. */
  readonly entropy?: Distribution & { readonly of: 'bytes' | 'patches' };
  /** In bytes. Absent without files of patches. */
  readonly patch_lengths?: {
    readonly count: number;
    readonly mean: number;
    readonly max: number;
    readonly classes: readonly { readonly from: number; readonly to: number; readonly patches: number }[];
  };
  /** Most frequent first. */
  readonly rejects: readonly { readonly stage: string; readonly code: string; readonly count: number }[];
}

export interface InspectOptions {
  /** Of the entropy histogram. Default 50. */
  readonly bins?: number | undefined;
  /** Largest documents to list. Default 10. */
  readonly largest?: number | undefined;
}

/**
 * Reads an output folder, finished or not, and sums it up. Files are streamed; memory does not grow with the output,
 * save for the commit records.
 *
 * @throws OutputError `NO_PLAN` where the folder holds no output
 */
export async function inspectOutput(root: string, options: InspectOptions = {}): Promise<Inspection> {
  const plan = await readPlan(root);
  if (plan === undefined) {
    throw new OutputError(`there is no output in '${root}'`, {
      code: 'NO_PLAN',
      path: root,
      hint: "give the folder that 'sluice run' wrote to",
    });
  }
  const commits: CommitRecord[] = [];
  const follower = new LimitFollower(plan.limit);
  for (const { id } of plan.splits) {
    const commit = await readCommit(root, id);
    follower.pass(commit);
    if (commit !== undefined) commits.push(commit);
  }
  const besides: CommitRecord[] = [];
  for (const name of await taskCommitNames(root)) {
    const commit = await readCommit(root, name);
    if (commit !== undefined) besides.push(commit);
  }
  const finished = existsSync(path.join(root, MANIFEST_FILE));
  // temporary files are there until the run has come to its end
  const artefacts = [...commits, ...besides]
    .flatMap((commit) => commit.artefacts)
    .filter((artefact) => !(finished && isTemporary(artefact)));
  // One folder of each kind: a pipeline may write the same patches twice, in two layouts.
  const of = (...formats: readonly unknown[]): string[] =>
    firstFolder(artefacts.filter(({ info }) => formats.includes(info.format))).map((file) => path.join(root, file));
  const patches = of(PATCHES_FORMAT, QUANTIZED_PATCHES_FORMAT);
  const signals = of(SIGNALS_FORMAT, QUANTIZED_SIGNALS_FORMAT);
  const documents = await documentsOf(of(SIDECAR_FORMAT), options.largest ?? 10);
  const entropy = await entropyOf(signals, patches, options.bins ?? 50);
  const lengths = await lengthsOf(patches);
  const rejectFiles = of(REJECTS_FORMAT);
  if (plan.left_out > 0) rejectFiles.unshift(path.join(root, PLAN_REJECTS));
  const { totals } = buildManifest(plan, commits);
  const mix = mixOf(totals);
  return {
    pipeline: plan.pipeline,
    sluice: plan.sluice,
    complete: follower.complete,
    splits: { planned: plan.splits.length, committed: commits.length },
    totals,
    ...(await dedupOf(root, artefacts)),
    files: formatsOf(artefacts),
    ...(await quantizationOf(root, artefacts)),
    ...(documents === undefined ? {} : { documents }),
    ...(mix.length === 0 ? {} : { mix }),
    ...(entropy === undefined ? {} : { entropy }),
    ...(lengths === undefined ? {} : { patch_lengths: lengths }),
    rejects: await rejectsOf(rejectFiles),
  };
}

function mixOf(totals: Readonly<Record<string, number>>): ModalityShare[] {
  return MODALITIES.flatMap((modality) => {
    const { [`${modality}_segments`]: segments = 0, [`${modality}_bytes`]: bytes = 0 } = totals;
    const patches = totals[`${modality}_patches`] ?? 0;
    return patches === 0 ? [] : [{ modality, segments, bytes, patches, mean_patch: bytes / patches }];
  }).sort((a, b) => b.bytes - a.bytes);
}

function firstFolder(artefacts: readonly Artefact[]): string[] {
  const folder = artefacts.map(({ path: file }) => path.posix.dirname(file)).sort()[0];
  return artefacts.map(({ path: file }) => file).filter((file) => path.posix.dirname(file) === folder);
}

function formatsOf(artefacts: readonly Artefact[]): Inspection['files'] {
  const groups = Map.groupBy(artefacts, ({ info }) => (typeof info.format === 'string' ? info.format : 'other'));
  return [...groups.keys()].sort().map((format) => {
    const files = groups.get(format) ?? [];
    return { format, files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
  });
}

async function documentsOf(sidecars: readonly string[], keep: number): Promise<Inspection['documents']> {
  if (sidecars.length === 0) return undefined;
  const modalities = new Map<string, { documents: number; bytes: number }>();
  const sizes = sizeClasses.map(([size, below]) => ({
    size,
    below: Number.isFinite(below) ? below : null,
    documents: 0,
  }));
  let largest: DocumentLine[] = [];
  let count = 0;
  let bytes = 0;
  for (const file of sidecars) {
    const db = await openSqlite(file, { readonly: true, fileMustExist: true });
    try {
      // A document of several parts is counted where it begins.
      const rows = db.prepare<[], DocumentLine>(
        'SELECT doc_id AS id, uri, modality, document_bytes AS bytes FROM documents WHERE part = 0 ORDER BY document',
      );
      for (const row of rows.iterate()) {
        count++;
        bytes += row.bytes;
        const modality = modalities.get(row.modality) ?? { documents: 0, bytes: 0 };
        modalities.set(row.modality, { documents: modality.documents + 1, bytes: modality.bytes + row.bytes });
        const size = sizes.find(({ below }) => below === null || row.bytes < below);
        if (size !== undefined) size.documents++;
        if (largest.length < keep || row.bytes > (largest.at(-1)?.bytes ?? 0)) {
          largest = [...largest, row].sort((a, b) => b.bytes - a.bytes).slice(0, keep);
        }
      }
    } finally {
      db.close();
    }
  }
  const mix = [...modalities].map(([modality, sums]) => ({ modality, ...sums }));
  mix.sort((a, b) => b.bytes - a.bytes || (a.modality < b.modality ? -1 : 1));
  return { count, bytes, modalities: mix, sizes, largest };
}

async function entropyOf(
  signals: readonly string[],
  patches: readonly string[],
  bins: number,
): Promise<Inspection['entropy']> {
  const of = signals.length > 0 ? 'bytes' : 'patches';
  const distribution = await distributionOf(
    of === 'bytes' ? floatsOf(signals, 'entropies') : floatsOf(patches, 'entropy'),
    bins,
  );
  return distribution === undefined ? undefined : { of, ...distribution };
}

/** One field of every file, 1 MiB at a time; decoded where it is quantized. */
function floatsOf(files: readonly string[], field: 'entropies' | 'entropy'): Floats {
  return async function* () {
    for (const near of files) {
      const tensors = await Tensors.open(await openByteFile(near));
      try {
        const { rows, floats } = await openField(tensors, field, [-1], { near });
        for (let from = 0; from < rows; from += ROWS) yield await floats(from, Math.min(rows, from + ROWS));
      } finally {
        await tensors.file.close();
      }
    }
  };
}

async function lengthsOf(files: readonly string[]): Promise<Inspection['patch_lengths']> {
  const classes: number[] = [];
  let count = 0;
  let bytes = 0;
  let max = 0;
  for (const file of files) {
    const header = await readSafetensorsHeader(file);
    for await (const chunk of tensorChunks(file, header, 'patch_lengths')) {
      for (const length of int32From(chunk)) {
        const place = lengthClass(length);
        classes[place] = (classes[place] ?? 0) + 1;
        count++;
        bytes += length;
        if (length > max) max = length;
      }
    }
  }
  if (count === 0) return undefined;
  const last = classes.length - 1;
  return {
    count,
    mean: bytes / count,
    max,
    classes: Array.from(classes, (patches = 0, place) => ({
      from: place === 0 ? 1 : 2 ** (place - 1) + 1,
      to: place === last ? max : 2 ** place,
      patches,
    })),
  };
}

/** Lengths 1, 2, 3-4, 5-8, 9-16 and so on. */
function lengthClass(length: number): number {
  return length <= 1 ? 0 : 32 - Math.clz32(length - 1);
}

async function rejectsOf(files: readonly string[]): Promise<Inspection['rejects']> {
  const kinds = new Map<string, { stage: string; code: string; count: number }>();
  for (const file of files) {
    for await (const line of fileLines(file)) {
      const { stage, code } = JSON.parse(line) as { stage: string; code: string };
      const key = `${code} ${stage}`;
      kinds.set(key, { stage, code, count: (kinds.get(key)?.count ?? 0) + 1 });
    }
  }
  return [...kinds.values()].sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
}
