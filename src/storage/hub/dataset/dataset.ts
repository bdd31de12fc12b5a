import picomatch from 'picomatch';
import { SourceError } from '../../../errors.ts';
import type { FoundFile } from '../../../sources/walk.ts';
import { didYouMean } from '../../../suggest.ts';
import type { CachedFile } from '../cacheFolder.ts';
import { foundFile, type HubReader } from '../reader.ts';
import { requireShards } from '../shards.ts';
import { type CardConfig, cardConfigs } from './card.ts';
import { CONVERTED, type Converted, type ConvertedSplit, converted, convertedSplits } from './converted.ts';
import { type DataFormat, dataFormatOf } from './dataFormats.ts';
import { nothingFound } from './nothingFound.ts';
import { chooseFormat, type FormatChoice, ownSplits } from './ownFiles.ts';
import type { Splits } from './splitNames.ts';

export interface DatasetOptions {
  /** Configuration (subset). Default: the one that the card marks, `default`, or the only one. */
  readonly config?: string | undefined;
  /** Default: `train`, or the only one. */
  readonly split?: string | undefined;
  /** Branch, tag or commit. Default: `main`. */
  readonly revision?: string | undefined;
  /** Paths or patterns of the files to read, within the dataset: they win over configuration and split. */
  readonly files?: string | readonly string[] | undefined;
}

export interface DatasetFile {
  /** Under the commit it was listed with. */
  readonly file: FoundFile;
  /** Relative to the dataset. */
  readonly path: string;
  readonly format: DataFormat;
}

/** The files that a split is made of. */
export interface DatasetFiles {
  readonly repository: string;
  /** What the revision that was asked for means. */
  readonly commit: string;
  /** These two are undefined where the files were named themselves. */
  readonly config: string | undefined;
  readonly split: string | undefined;
  /** In the byte order of their paths. JSON and JSON lines may be mixed, no other formats are. */
  readonly files: readonly DatasetFile[];
  /** What whoever uses the data should know, such as that it is not all of it. */
  readonly warnings: readonly string[];
}

/** A configuration among the dataset's own files. */
export interface OwnConfig {
  readonly name: string;
  readonly splits: Splits;
  /** The split to read, where it is among them. */
  readonly split: string | undefined;
  /** Its files, where there are any that can be read. */
  readonly choice: FormatChoice | undefined;
}

/** The Hub's Parquet copy of a dataset. */
export interface Copy {
  readonly commit: string;
  readonly configs: Converted;
  readonly config: string | undefined;
  readonly split: string | undefined;
  readonly found: ConvertedSplit | undefined;
}

/**
 * Which files are a split of a dataset, as users of Python's `datasets` expect: by the card's `configs`, or else by the names of
 * folders and files. Parquet files of the dataset itself come first, then the Hub's own Parquet copy of it
 * (`refs/convert/parquet`, of the main branch alone), then its files of JSON, CSV or Arrow.
 *
 * ```ts
 * const { files, warnings } = await datasetFiles(reader, 'HuggingFaceFW/fineweb-edu', { config: 'sample-10BT' });
 * ```
 *
 * @throws SourceError `NO_CONFIG`, `NO_SPLIT`, `NO_FILES`, `BAD_CARD`, `FOREIGN_FILES`, `UNKNOWN_FORMAT`, and those of `HubReader`
 */
export async function datasetFiles(
  reader: HubReader,
  repository: string,
  options: DatasetOptions = {},
  signal?: AbortSignal,
): Promise<DatasetFiles> {
  const commit = await reader.commitOf(repository, options.revision, signal);
  const { files, complete } = await reader.files(repository, commit, '', signal);
  const search = new Search(reader, repository, commit, files, options, signal);
  const found = options.files === undefined ? await search.split() : search.named([options.files].flat());
  if (complete) return found;
  requireShards(repository, found.files);
  const warning = `'${repository}' is read from the cache alone, which may not have all of it`;
  return { ...found, warnings: [...found.warnings, warning] };
}

class Search {
  readonly #reader: HubReader;
  readonly #repository: string;
  readonly #commit: string;
  readonly #files: readonly CachedFile[];
  readonly #options: DatasetOptions;
  readonly #signal: AbortSignal | undefined;

  constructor(
    reader: HubReader,
    repository: string,
    commit: string,
    files: readonly CachedFile[],
    options: DatasetOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#reader = reader;
    this.#repository = repository;
    this.#commit = commit;
    this.#files = files;
    this.#options = options;
    this.#signal = signal;
  }

  /** Files that match patterns. */
  named(patterns: readonly string[]): DatasetFiles {
    const wanted = new Set<CachedFile>();
    for (const pattern of patterns) {
      const matches = picomatch(pattern);
      const found = this.#files.filter(({ path }) => path === pattern || matches(path));
      const paths = this.#files.map(({ path }) => path);
      if (found.length === 0) throw this.#error('NO_FILES', `has no file '${pattern}'`, didYouMean(pattern, paths));
      for (const file of found) wanted.add(file);
    }
    return this.#result(
      {},
      this.#commit,
      this.#files.filter((file) => wanted.has(file)),
      [],
    );
  }

  /** Files of the split. */
  async split(): Promise<DatasetFiles> {
    if (this.#options.revision === CONVERTED) {
      const copy = this.#inCopy(this.#commit, convertedSplits(this.#files), undefined);
      if (copy.found !== undefined) return this.#ofCopy(copy, copy.found, []);
      throw nothingFound(this.#repository, this.#options, this.#files, { configs: [], copy });
    }
    const configs = await this.#card();
    const own = this.#own(configs);
    if (own?.choice?.formats.includes('parquet')) return this.#ofOwn(own, own.choice);
    const copied = await this.#copied();
    const copy = copied === undefined ? undefined : this.#inCopy(copied.commit, copied.configs, own?.name);
    if (copy?.found !== undefined) {
      const note = `'${this.#repository}' is read from the Parquet copy that the Hub makes of it (${CONVERTED}), which may lag behind`;
      return this.#ofCopy(copy, copy.found, [note]);
    }
    if (own?.choice !== undefined) return this.#ofOwn(own, own.choice);
    throw nothingFound(this.#repository, this.#options, this.#files, { configs, own, copy });
  }

  /** The configuration to read among the dataset's own files; undefined where it has none of that name. */
  #own(configs: readonly CardConfig[]): OwnConfig | undefined {
    const config = this.#configOf(configs);
    if (config === undefined) return undefined;
    const splits = ownSplits(config, this.#files, this.#repository);
    const split = this.#splitOf([...splits.keys()]);
    const paths = new Set(split === undefined ? [] : splits.get(split));
    return {
      name: config.name,
      splits,
      split,
      choice: chooseFormat(this.#files.filter(({ path }) => paths.has(path))),
    };
  }

  async #card(): Promise<readonly CardConfig[]> {
    const readme = this.#files.find(({ path }) => path === 'README.md');
    if (readme === undefined) return [];
    const text = await this.#reader.text(this.#repository, this.#commit, readme, this.#signal);
    return cardConfigs(text, `${this.#repository}@${this.#commit}/README.md`);
  }

  #configOf(configs: readonly CardConfig[]): CardConfig | undefined {
    const { config } = this.#options;
    if (configs.length > 0) {
      if (config !== undefined) return configs.find(({ name }) => name === config);
      const only = configs.length === 1 ? configs[0] : undefined;
      const marked =
        only ?? configs.find(({ isDefault }) => isDefault) ?? configs.find(({ name }) => name === 'default');
      if (marked !== undefined) return marked;
      const names = configs.map(({ name }) => `'${name}'`).join(', ');
      throw this.#error('NO_CONFIG', 'has several configurations', `Choose one with config: ${names}.`);
    }
    const whole: CardConfig = { name: 'default', isDefault: true, folder: '', splits: undefined };
    if (config === undefined || config === 'default') return whole;
    // Without a card, folders are taken for what they are called.
    const has = (folder: string): boolean => this.#files.some(({ path }) => path.startsWith(`${folder}/`));
    const folder = [config, `data/${config}`].find(has);
    return folder === undefined ? undefined : { ...whole, name: config, folder };
  }

  /** The split among those there are: the one that was asked for, `train`, or the only one. */
  #splitOf(splits: readonly string[]): string | undefined {
    const { split } = this.#options;
    if (split !== undefined) return splits.find((name) => name === split);
    return splits.find((name) => name === 'train') ?? (splits.length === 1 ? splits[0] : undefined);
  }

  /** The Hub's copy, where it is one of the commit that is read. */
  async #copied(): Promise<{ readonly commit: string; readonly configs: Converted } | undefined> {
    return (await this.#isMain()) ? converted(this.#reader, this.#repository, this.#signal) : undefined;
  }

  async #isMain(): Promise<boolean> {
    const { revision = 'main' } = this.#options;
    if (revision === 'main') return true;
    try {
      return (await this.#reader.commitOf(this.#repository, 'main', this.#signal)) === this.#commit;
    } catch (error) {
      // A cache that was filled for one commit need not know what the branch means.
      if (error instanceof SourceError && error.code === 'OFFLINE') return false;
      throw error;
    }
  }

  #inCopy(commit: string, configs: Converted, own: string | undefined): Copy {
    const names = [...configs.keys()];
    const wanted = this.#options.config ?? own ?? 'default';
    const only = this.#options.config === undefined && names.length === 1 ? names[0] : undefined;
    const config = names.find((name) => name === wanted) ?? only;
    const splits = config === undefined ? undefined : configs.get(config);
    const split = this.#splitOf([...(splits?.keys() ?? [])]);
    return { commit, configs, config, split, found: split === undefined ? undefined : splits?.get(split) };
  }

  #ofOwn(own: OwnConfig, { files, others }: FormatChoice): DatasetFiles {
    const example = others[0]?.path;
    const warnings =
      example === undefined
        ? []
        : [`files of other formats are not read, such as '${example}' (${others.length} in all)`];
    return this.#result({ config: own.name, split: own.split }, this.#commit, files, warnings);
  }

  #ofCopy(copy: Copy, { files, partial }: ConvertedSplit, notes: readonly string[]): DatasetFiles {
    const warning = `the Parquet copy of '${this.#repository}' has only the first part of the split '${copy.split}'; files can name the dataset's own files instead`;
    return this.#result(copy, copy.commit, files, partial ? [...notes, warning] : notes);
  }

  #result(
    { config, split }: { readonly config?: string | undefined; readonly split?: string | undefined },
    commit: string,
    files: readonly CachedFile[],
    warnings: readonly string[],
  ): DatasetFiles {
    const chosen = files.map((file) => {
      const format = dataFormatOf(file.path);
      if (format !== undefined) return { file: foundFile(this.#repository, commit, file), path: file.path, format };
      const hint =
        'Parquet, JSON, JSON lines, CSV and Arrow are read; other sources read other files at hf:// addresses.';
      throw this.#error('UNKNOWN_FORMAT', `has '${file.path}', which is no table by its name`, hint);
    });
    return { repository: this.#repository, commit: this.#commit, config, split, files: chosen, warnings };
  }

  #error(code: string, message: string, hint: string): SourceError {
    return new SourceError(`the dataset '${this.#repository}' ${message}`, { code, path: this.#repository, hint });
  }
}
