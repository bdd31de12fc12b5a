import { PATCHES_FORMAT, QUANTIZED_PATCHES_FORMAT } from '../formats/names.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import type { Artefact } from '../sinks/artefact.ts';
import type { CommitRecord } from './commitRecord.ts';
import type { OutputFolder } from './durable.ts';
import { isTemporary } from './jobStage.ts';
import type { Plan } from './plan.ts';

export const MANIFEST_FILE = 'manifest.json';

/** What of a plan ends up in the manifest. */
export type ManifestPlan = Pick<Plan, 'digest' | 'pipeline' | 'sluice' | 'stages' | 'left_out' | 'warnings'> & {
  readonly splits: readonly { readonly id: string }[];
};

/** One file of a `JaxTable`: rows [start, end) of the global array, bytes [byte_start, byte_end) of all bytes. */
interface JaxShard {
  readonly path: string;
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly byte_start: number;
  readonly byte_end: number;
}

/** How the embeddings of all shards make up one array [patches, dim], cut along axis 0. */
interface JaxTable {
  readonly tensor: 'embeddings';
  readonly dtype: 'float32';
  /** The schemes that float32 rows are decoded with; the parts `embeddings.codes` and so on are cut at the same rows. Absent where they lie as float32. */
  readonly quantized?: string;
  readonly global_shape: readonly [number, number];
  readonly axis: 0;
  readonly shards: readonly JaxShard[];
}

export interface Manifest {
  readonly format: 'sluice_manifest_v1';
  readonly digest: string;
  readonly pipeline: string;
  readonly sluice: string;
  /** The stages with their options and identities: the model with the hash of its weights, the threshold. */
  readonly stages: Plan['stages'];
  readonly splits: number;
  /** What the source said about its input as a whole, such as that it is not all of a dataset. */
  readonly warnings?: readonly string[];
  /** Sums of every count over all splits; `rejects` includes `left_out`, the inputs that could not be planned. */
  readonly totals: Readonly<Record<string, number>>;
  /** Counts of each task of a pass or stage besides the run proper; absent where there is none. */
  readonly tasks?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Every artefact that is there to stay, sorted by path. */
  readonly artefacts: readonly (Artefact & { readonly split: string })[];
  /** One table for every folder of shards whose embeddings have one width; absent where there is none. */
  readonly jax?: readonly JaxTable[];
}

/** The manifest of an output: a pure function of its plan, the commits of its splits, and those of passes and stages besides. */
export function buildManifest(
  plan: ManifestPlan,
  commits: readonly CommitRecord[],
  besides: readonly CommitRecord[] = [],
): Manifest {
  const totals: Record<string, number> = { rejects: plan.left_out, left_out: plan.left_out };
  for (const { counts, rejects } of commits) {
    totals.rejects = (totals.rejects ?? 0) + rejects;
    for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count;
  }
  const artefacts = [...commits, ...besides].flatMap(({ split, artefacts: own }) =>
    own.filter((artefact) => !isTemporary(artefact)).map((artefact) => ({ ...artefact, split })),
  );
  const jax = jaxTables(plan, commits);
  return {
    format: 'sluice_manifest_v1',
    digest: plan.digest,
    pipeline: plan.pipeline,
    sluice: plan.sluice,
    stages: plan.stages,
    splits: plan.splits.length,
    ...(plan.warnings === undefined ? {} : { warnings: plan.warnings }),
    totals,
    ...(besides.length === 0 ? {} : { tasks: tasksOf(besides) }),
    artefacts: artefacts.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
    ...(jax.length === 0 ? {} : { jax }),
  };
}

function tasksOf(commits: readonly CommitRecord[]): Record<string, Readonly<Record<string, number>>> {
  return Object.fromEntries(commits.map(({ split, counts }) => [split, counts]));
}

/** The manifest as it is stored: sorted keys, one space of indentation, a line end. */
export function manifestText(manifest: Manifest): string {
  // Only numbers, strings, lists and plain objects; interfaces have no index signature, which JsonValue asks for.
  return `${canonicalJson(manifest as unknown as JsonValue, 1)}\n`;
}

/** Writes `manifest.json`, the last file of an output. `commits` are in the order of the plan. */
export async function writeManifest(
  folder: OutputFolder,
  plan: ManifestPlan,
  commits: readonly CommitRecord[],
  besides: readonly CommitRecord[] = [],
): Promise<void> {
  await folder.publish(MANIFEST_FILE, manifestText(buildManifest(plan, commits, besides)));
}

interface PatchShard {
  readonly path: string;
  readonly shard: number;
  readonly dim: number;
  readonly patches: number;
  readonly bytes: number;
  readonly quantized: string | undefined;
}

/** One table for every folder that holds shards of patches, in the order of the plan and of the shards. */
function jaxTables(plan: ManifestPlan, commits: readonly CommitRecord[]): JaxTable[] {
  const order = new Map(plan.splits.map(({ id }, place) => [id, place]));
  const place = (commit: CommitRecord): number => order.get(commit.split) ?? plan.splits.length;
  const folders = new Map<string, PatchShard[]>();
  for (const commit of commits.toSorted((a, b) => place(a) - place(b))) {
    const shards = commit.artefacts.flatMap((artefact) => patchShard(artefact) ?? []);
    for (const shard of shards.sort((a, b) => a.shard - b.shard)) {
      const folder = shard.path.slice(0, shard.path.lastIndexOf('/'));
      const list = folders.get(folder);
      if (list === undefined) folders.set(folder, [shard]);
      else list.push(shard);
    }
  }
  return [...folders.keys()].sort().flatMap((folder) => jaxTable(folders.get(folder) ?? []) ?? []);
}

function jaxTable(shards: readonly PatchShard[]): JaxTable | undefined {
  const { dim = 0, quantized } = shards[0] ?? {};
  if (shards.some((shard) => shard.dim !== dim || shard.quantized !== quantized)) return undefined;
  let start = 0;
  let byteStart = 0;
  const rows = shards.map(({ path, patches, bytes }, index) => {
    const row = { path, index, start, end: start + patches, byte_start: byteStart, byte_end: byteStart + bytes };
    start = row.end;
    byteStart = row.byte_end;
    return row;
  });
  const form = quantized === undefined ? {} : { quantized };
  return { tensor: 'embeddings', dtype: 'float32', ...form, global_shape: [start, dim], axis: 0, shards: rows };
}

function patchShard({ path, info }: Artefact): PatchShard | undefined {
  const { format, shard, dim, patches, bytes } = info;
  if (format !== PATCHES_FORMAT && format !== QUANTIZED_PATCHES_FORMAT) return undefined;
  if (typeof shard !== 'number' || typeof dim !== 'number') return undefined;
  if (typeof patches !== 'number' || typeof bytes !== 'number') return undefined;
  return { path, shard, dim, patches, bytes, quantized: schemesOf(info) };
}

/** What a file that leaves float32 embeddings out has in their place. */
function schemesOf({ format, quantized }: Artefact['info']): string | undefined {
  if (format !== QUANTIZED_PATCHES_FORMAT || typeof quantized !== 'object' || quantized === null) return undefined;
  const { embeddings } = quantized as { readonly embeddings?: JsonValue };
  return typeof embeddings === 'string' ? embeddings : undefined;
}
