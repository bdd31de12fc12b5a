import { SourceError } from '../../../errors.ts';
import type { CachedFile } from '../cacheFolder.ts';
import type { HubReader } from '../reader.ts';

/** Branch on which the Hub keeps a copy of a dataset's splits as Parquet, made by itself. */
export const CONVERTED = 'refs/convert/parquet';

/** A split of the copy. */
export interface ConvertedSplit {
  readonly files: readonly CachedFile[];
  /** Whether it holds the first part of the split alone, as it does of large datasets. */
  readonly partial: boolean;
}

/** Splits of the copy by configuration. */
export type Converted = ReadonlyMap<string, ReadonlyMap<string, ConvertedSplit>>;

const FILE = /^([^/]+)\/(partial-)?([^/]+)\/[^/]+\.parquet$/;

/** Tells configurations and splits from paths such as `default/train/0000.parquet` and `default/partial-train/0000.parquet`. */
export function convertedSplits(files: readonly CachedFile[]): Converted {
  const configs = new Map<string, Map<string, { files: CachedFile[]; partial: boolean }>>();
  for (const file of files) {
    const [, config, part, split] = FILE.exec(file.path) ?? [];
    if (config === undefined || split === undefined) continue;
    const splits = configs.get(config) ?? new Map<string, { files: CachedFile[]; partial: boolean }>();
    configs.set(config, splits);
    const partial = part !== undefined;
    const known = splits.get(split);
    // Of both, the one that is whole.
    if (known === undefined || (known.partial && !partial)) splits.set(split, { files: [file], partial });
    else if (known.partial === partial) known.files.push(file);
  }
  return configs;
}

/** The Hub's Parquet copy of a dataset's main branch, where there is one. */
export async function converted(
  reader: HubReader,
  repository: string,
  signal?: AbortSignal,
): Promise<{ readonly commit: string; readonly configs: Converted } | undefined> {
  let commit: string;
  try {
    commit = await reader.commitOf(repository, CONVERTED, signal);
  } catch (error) {
    // Many datasets have none; offline, it was not needed when the others were fetched.
    if (error instanceof SourceError && (error.code === 'NOT_FOUND' || error.code === 'OFFLINE')) return undefined;
    throw error;
  }
  const { files } = await reader.files(repository, commit, '', signal);
  return { commit, configs: convertedSplits(files) };
}
