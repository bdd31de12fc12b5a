import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { SourceError } from '../../errors.ts';
import { PATCHES_FORMAT, QUANTIZED_PATCHES_FORMAT } from '../../formats/names.ts';
import { openSqlite } from '../../formats/sqlite.ts';
import { besideShard } from '../../layouts/openShard.ts';
import { listsDocuments } from '../../layouts/shardDocuments.ts';
import { MANIFEST_FILE, type Manifest } from '../../run/manifest.ts';
import { PLAN_FILE } from '../../run/plan.ts';
import { isTar } from '../tar.ts';

/** A shard of patches, as the manifest of its output lists it. */
export interface OutputShard {
  /** Absolute. */
  readonly path: string;
  /** Within the output folder. */
  readonly name: string;
  readonly split: string;
  readonly shard: number;
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
  /** Of the file. */
  readonly size: number;
  /** Whether its first document goes on from the shard before it. */
  readonly goesOn: boolean;
}

/** Whether a folder holds the output of a run. */
export function isOutput(folder: string): boolean {
  return existsSync(path.join(folder, PLAN_FILE));
}

/**
 * The shards of patches of an output, in the order of its data: of splits, and of shards in each.
 *
 * @param dir folder of the shards within the output. Default: the only one that holds any
 * @throws SourceError `INCOMPLETE` without a manifest, `BAD_MANIFEST`, `NO_FILES` without shards of patches, `AMBIGUOUS`
 *   where several folders hold some
 */
export async function outputShards(root: string, dir?: string): Promise<OutputShard[]> {
  const { artefacts } = await readManifest(root);
  const beside = new Map(artefacts.map((artefact) => [artefact.path, artefact]));
  const formats: readonly unknown[] = [PATCHES_FORMAT, QUANTIZED_PATCHES_FORMAT];
  const found = artefacts.filter(({ info }) => formats.includes(info.format));
  const folders = [...new Set(found.map((artefact) => path.posix.dirname(artefact.path)))].sort();
  const only = dir ?? folders[0];
  if (only === undefined || !folders.includes(only)) {
    throw new SourceError(`'${root}' holds no shards of patches${dir === undefined ? '' : ` in '${dir}'`}`, {
      code: 'NO_FILES',
      path: root,
      hint: folders.length === 0 ? withoutShards(root, artefacts) : `there are some in ${folders.join(', ')}`,
    });
  }
  if (dir === undefined && folders.length > 1) {
    throw new SourceError(`'${root}' holds shards of patches in ${folders.join(', ')}`, {
      code: 'AMBIGUOUS',
      path: root,
      hint: 'say which: they may be the same patches twice',
    });
  }
  const shards = found
    .filter((artefact) => path.posix.dirname(artefact.path) === only)
    .map(({ path: name, split, bytes: size, info }): OutputShard => {
      const number = (key: string): number => {
        const value = info[key];
        if (typeof value === 'number') return value;
        throw badManifest(root, `${key} of ${name} is ${JSON.stringify(value)}`);
      };
      const { sidecar } = besideShard(name);
      const { parts, documents } = beside.get(sidecar)?.info ?? {};
      return {
        path: path.join(root, name),
        name,
        split,
        shard: number('shard'),
        patches: number('patches'),
        bytes: number('bytes'),
        dim: number('dim'),
        size,
        goesOn: typeof parts === 'number' && typeof documents === 'number' && parts > documents,
      };
    });
  return shards.sort((a, b) => (a.split < b.split ? -1 : a.split > b.split ? 1 : a.shard - b.shard));
}

/** What else of an output may be read: archives, as files of their own. */
function withoutShards(root: string, artefacts: Manifest['artefacts']): string {
  const folder = artefacts.map(({ path: name }) => name).find(isTar);
  if (folder === undefined) return 'its pipeline has no safetensors sink';
  return `its pipeline has no safetensors sink; its archives can be exported: ${path.join(root, path.dirname(folder))}`;
}

async function readManifest(root: string): Promise<Manifest> {
  const file = path.join(root, MANIFEST_FILE);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const isMissing = cause.code === 'ENOENT';
    throw new SourceError(isMissing ? `the run of '${root}' has not come to its end` : `'${file}' cannot be read`, {
      code: isMissing ? 'INCOMPLETE' : 'UNREADABLE',
      path: root,
      hint: isMissing ? 'run the same command again to resume it' : undefined,
      cause,
    });
  });
  try {
    const manifest = JSON.parse(text) as Manifest;
    if (manifest.format !== 'sluice_manifest_v1') throw new Error(`its format is '${manifest.format}'`);
    if (!Array.isArray(manifest.artefacts)) throw new Error('it lists no files');
    for (const artefact of manifest.artefacts as readonly unknown[]) requireArtefact(artefact);
    return manifest;
  } catch (cause) {
    throw badManifest(root, (cause as Error).message, cause);
  }
}

function requireArtefact(value: unknown): void {
  const { path: name, split, info } = (value ?? {}) as { readonly [key: string]: unknown };
  const isName = typeof name === 'string' && !path.posix.isAbsolute(name) && !name.split('/').includes('..');
  if (isName && typeof split === 'string' && typeof info === 'object' && info !== null) return;
  throw new Error(`it lists ${JSON.stringify(value).slice(0, 100)}`);
}

function badManifest(root: string, what: string, cause?: unknown): SourceError {
  return new SourceError(`${MANIFEST_FILE} of '${root}' cannot be understood: ${what}`, {
    code: 'BAD_MANIFEST',
    path: root,
    hint: 'check the output with sluice verify',
    cause,
  });
}

/** Bytes of the longest segment that begins or goes on in a shard: reading it takes them at once. */
export async function longestSegment({ path: file, bytes }: OutputShard): Promise<number> {
  const { sidecar } = besideShard(file);
  if (!existsSync(sidecar)) return bytes;
  const db = await openSqlite(sidecar, { readonly: true, fileMustExist: true });
  try {
    if (!listsDocuments(db)) return bytes;
    return db.prepare<[], number | null>('SELECT max(segment_bytes) FROM segments').pluck().get() ?? 0;
  } finally {
    db.close();
  }
}

/** Shards that belong to one split: a document that is larger than a shard keeps them together. */
export function chainsOf(shards: readonly OutputShard[]): OutputShard[][] {
  const chains: OutputShard[][] = [];
  for (const shard of shards) {
    const chain = chains.at(-1);
    if (shard.goesOn && chain !== undefined) chain.push(shard);
    else chains.push([shard]);
  }
  return chains;
}
