import { SourceError } from '../../../errors.ts';
import { didYouMean } from '../../../suggest.ts';
import type { CachedFile } from '../cacheFolder.ts';
import type { Copy, DatasetOptions, OwnConfig } from './dataset.ts';

/** What was looked at. */
interface Looked {
  /** Of the card. */
  readonly configs: readonly { readonly name: string }[];
  readonly own?: OwnConfig | undefined;
  readonly copy: Copy | undefined;
}

/** The error of a configuration or split that is nowhere, or of which nothing can be read. */
export function nothingFound(
  repository: string,
  { config, split }: DatasetOptions,
  files: readonly CachedFile[],
  { configs: described, own, copy }: Looked,
): SourceError {
  const error = (code: string, message: string, hint: string): SourceError =>
    new SourceError(`the dataset '${repository}' ${message}`, { code, path: repository, hint });
  const several = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');
  const configs = [...new Set([...described.map(({ name }) => name), ...(copy?.configs.keys() ?? [])])];
  const isKnown = own !== undefined || copy?.config !== undefined;
  if (!isKnown && config !== undefined) {
    return error(
      'NO_CONFIG',
      `has no configuration '${config}'`,
      didYouMean(config, configs.length > 0 ? configs : ['default']),
    );
  }
  const splits = [...new Set([...(own?.splits.keys() ?? []), ...(copy?.configs.get(copy.config ?? '')?.keys() ?? [])])];
  if (splits.length === 0 && configs.length > 1) {
    return error('NO_CONFIG', 'has several configurations', `Choose one with config: ${several(configs)}.`);
  }
  if (split !== undefined && splits.length > 0 && !splits.includes(split)) {
    return error('NO_SPLIT', `has no split '${split}'`, didYouMean(split, splits));
  }
  if (split === undefined && splits.length > 1 && !splits.includes('train')) {
    return error('NO_SPLIT', 'has several splits', `Choose one with split: ${several(splits)}.`);
  }
  const example = files.find(({ path }) => path !== 'README.md' && path !== '.gitattributes')?.path;
  return error(
    'NO_FILES',
    'has no Parquet, JSON, CSV or Arrow files of this split',
    example === undefined
      ? 'It has no files at all.'
      : `It has '${example}'; other sources read other files at hf:// addresses.`,
  );
}
