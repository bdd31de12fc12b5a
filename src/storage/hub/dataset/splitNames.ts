/** Files of each split, in the order of the splits. */
export type Splits = ReadonlyMap<string, readonly string[]>;

/** Words that stand for the usual splits in names of folders and files. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'dev', 'val'],
  test: ['test', 'testing', 'eval', 'evaluation'],
};

const SHARD = /^data\/([^/]+)-\d{5}-of-\d{5}[^/]*\.[^/]+$/;
const SPLIT_NAME = /^\w+(\.\w+)*$/;
const BESIDE = '[-._ 0-9]';

/** Files beside the data that have names of data. */
const NO_DATA = new Set([
  'README.md',
  'config.json',
  'dataset_info.json',
  'dataset_infos.json',
  'dataset_dict.json',
  'dummy_data.zip',
]);

/** Whether a file is one that datasets are made of where nothing says so: not hidden, not in a folder like `__pycache__`, not metadata. */
export function mayBeData(path: string): boolean {
  const names = path.split('/');
  const file = names.at(-1) ?? '';
  return (
    !NO_DATA.has(file) &&
    !names.some((name) => name.startsWith('.')) &&
    !names.slice(0, -1).some((name) => name.startsWith('__'))
  );
}

/**
 * Tells splits from the names of a dataset's files as Python's `datasets` does. The first of these that fits any file decides
 * for all: shards `data/<split>-00000-of-00005.parquet`; folders that have a word for a split in their names; files that have; else
 * everything is `train`.
 *
 * @param paths relative to the folder of the dataset
 */
export function inferSplits(paths: readonly string[]): Splits {
  const sharded = byShards(paths);
  if (sharded.size > 0) return sharded;
  for (const named of [byFolders, byFiles]) {
    const splits = byKeywords(paths, named);
    if (splits.size > 0) return splits;
  }
  return paths.length === 0 ? new Map() : new Map([['train', paths]]);
}

function byShards(paths: readonly string[]): Splits {
  const splits = new Map<string, string[]>();
  for (const path of paths) {
    const split = SHARD.exec(path)?.[1] ?? '';
    if (!SPLIT_NAME.test(split)) continue;
    const files = splits.get(split);
    if (files === undefined) splits.set(split, [path]);
    else files.push(path);
  }
  const usual = Object.keys(KEYWORDS);
  const rank = (split: string): number => (usual.includes(split) ? usual.indexOf(split) : usual.length);
  return new Map([...splits].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)));
}

function byKeywords(paths: readonly string[], named: (keyword: string) => (path: string) => boolean): Splits {
  const splits = new Map<string, readonly string[]>();
  for (const [split, keywords] of Object.entries(KEYWORDS)) {
    const tests = keywords.map(named);
    const files = paths.filter((path) => tests.some((test) => test(path)));
    if (files.length > 0) splits.set(split, files);
  }
  return splits;
}

function byFolders(keyword: string): (path: string) => boolean {
  const name = new RegExp(`^(?:.*${BESIDE})?${keyword}(?:${BESIDE}.*)?$`, 's');
  return (path) =>
    path
      .split('/')
      .slice(0, -1)
      .some((folder) => name.test(folder));
}

function byFiles(keyword: string): (path: string) => boolean {
  const name = new RegExp(`^(?:.*${BESIDE})?${keyword}${BESIDE}`, 's');
  return (path) => name.test(path.slice(path.lastIndexOf('/') + 1));
}
