import { SourceError } from '../../../errors.ts';
import { didYouMean } from '../../../suggest.ts';
import type { CachedFile } from '../cacheFolder.ts';
import type { CardConfig } from './card.ts';
import { type DataFormat, dataFormatOf, FORMAT_GROUPS } from './dataFormats.ts';
import { isLocalPattern, matching } from './patterns.ts';
import { inferSplits, mayBeData, type Splits } from './splitNames.ts';

/** Files of a split that have formats which belong together. */
export interface FormatChoice {
  readonly formats: readonly DataFormat[];
  readonly files: readonly CachedFile[];
  /** Those of the split that are of other formats. */
  readonly others: readonly CachedFile[];
}

/**
 * Splits of a configuration among a dataset's own files, as its card has them or as their names tell.
 *
 * @param at what messages call the dataset
 * @throws SourceError `NO_FILES` where the card names a file that is not there, `FOREIGN_FILES` where it names an address
 */
export function ownSplits(
  config: Pick<CardConfig, 'folder' | 'splits'>,
  files: readonly CachedFile[],
  at: string,
): Splits {
  const prefix = config.folder === '' ? '' : `${config.folder}/`;
  const below = files.flatMap(({ path }) => (path.startsWith(prefix) ? [path.slice(prefix.length)] : []));
  const whole = (paths: readonly string[]): readonly string[] => paths.map((path) => prefix + path);
  if (config.splits === undefined) {
    const data = below.filter((path) => mayBeData(path) && dataFormatOf(path) !== undefined);
    return new Map([...inferSplits(data)].map(([split, paths]) => [split, whole(paths)]));
  }
  const splits = new Map<string, readonly string[]>();
  for (const [split, patterns] of config.splits) {
    const found = patterns.flatMap((pattern) => {
      if (!isLocalPattern(pattern)) throw foreign(pattern, at);
      const paths = matching(pattern, below);
      if (paths.length === 0 && !/[*?[]/.test(pattern)) throw notThere(pattern, below, at);
      return paths;
    });
    splits.set(split, whole([...new Set(found)]));
  }
  return splits;
}

/** Of a split's files those to read: Parquet where there is any, else the formats that most files have. */
export function chooseFormat(files: readonly CachedFile[]): FormatChoice | undefined {
  const readable = files.map((file) => ({ file, format: dataFormatOf(file.path) }));
  let best: FormatChoice | undefined;
  for (const formats of FORMAT_GROUPS) {
    const chosen: CachedFile[] = [];
    const others: CachedFile[] = [];
    for (const { file, format } of readable) {
      if (format !== undefined) (formats.includes(format) ? chosen : others).push(file);
    }
    if (chosen.length > (best?.files.length ?? 0)) best = { formats, files: chosen, others };
    if (best?.formats.includes('parquet')) break;
  }
  return best;
}

function foreign(pattern: string, at: string): SourceError {
  return new SourceError(`the card of ${at} names files elsewhere: '${pattern}'`, {
    code: 'FOREIGN_FILES',
    path: at,
    hint: 'Name the files of the dataset itself with files, or read that address by itself.',
  });
}

function notThere(pattern: string, paths: readonly string[], at: string): SourceError {
  return new SourceError(`the card of ${at} names '${pattern}', which is not there`, {
    code: 'NO_FILES',
    path: at,
    hint: `Name the files to read with files. ${didYouMean(pattern, paths)}`,
  });
}
