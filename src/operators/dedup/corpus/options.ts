import path from 'node:path';
import type { CorpusSettings } from '../../../lsh/corpus/parts.ts';
import { checkedFolder, checkedName } from '../../../sinks/shardName.ts';
import type { CorpusFiles, DedupSettings, ReportFiles } from '../settings.ts';
import { EarlierCorpus } from './earlier.ts';

export interface CorpusOptions {
  readonly settings: CorpusSettings;
  /** Folder within the output for signatures, keys and clusters. */
  readonly index: string;
  /** Keep it behind the run, for corpora that are deduplicated against this one. */
  readonly keepIndex: boolean;
  /** A corpus that comes before this one. */
  readonly against?: EarlierCorpus | undefined;
  /** Names of files in the output folder for what is found in all splits. */
  readonly files?: ReportFiles | undefined;
  /** Folder of the duplicates of each split. */
  readonly dir: string;
}

/** Throws PipelineError `BAD_FOLDER` or `BAD_NAME`. */
export function corpusOptions(settings: DedupSettings, files: CorpusFiles = {}): CorpusOptions {
  const { shingle, components, banding, threshold, near, verify, dir } = settings;
  const index = checkedFolder(files.index ?? 'dedup');
  for (const name of Object.values(files.files ?? {})) checkedName(name);
  const own = { shingle, components, banding, threshold, near, verify };
  return {
    settings: own,
    index,
    keepIndex: files.keepIndex ?? true,
    against: files.against === undefined ? undefined : new EarlierCorpus(path.resolve(files.against, index), own),
    files: files.files,
    dir,
  };
}
