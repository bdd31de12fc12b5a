import path from 'node:path';
import type { CommitRecord } from '../../../run/commitRecord.ts';
import type { JobView } from '../../../run/jobStage.ts';
import { type Corpus, type CorpusBefore, corpusAfter, EMPTY_CORPUS, type IndexedSplit } from './indexFile.ts';
import type { CorpusOptions } from './options.ts';

interface KnownCorpus {
  readonly folder: string;
  readonly before: CorpusBefore;
  readonly commits: readonly CommitRecord[];
  readonly corpus: Corpus;
}

/** Every task asks for the corpus: with many splits it takes longer to put together than to compare with. */
const known = new WeakMap<CorpusOptions, KnownCorpus>();

/** The corpus as far as its pass has come: complete before any stage begins. */
export function corpusOf(options: CorpusOptions, job: JobView): Corpus {
  const { against, index, settings } = options;
  const folder = path.join(job.root, index);
  const before = against?.corpus() ?? EMPTY_CORPUS;
  const commits = job.commitsOf(`${index}/sign`);
  const last = known.get(options);
  const isSame =
    last?.folder === folder &&
    last.before === before &&
    last.commits.length === commits.length &&
    last.commits.every((commit, i) => commit === commits[i]);
  if (isSame) return last.corpus;
  const corpus = corpusAfter(before, folder, settings, splitsOf(options, job));
  known.set(options, { folder, before, commits, corpus });
  return corpus;
}

/** What the pass has written of each split. */
export function splitsOf({ index }: CorpusOptions, job: JobView): IndexedSplit[] {
  return job.commitsOf(`${index}/sign`).map(({ split, counts, artefacts }) => {
    const blocks = artefacts.find(({ path: file }) => file.endsWith('.keys'))?.info['blocks'];
    const id = split.slice(`${index}/sign-`.length);
    const sha256 = Object.fromEntries(artefacts.map((file) => [path.posix.extname(file.path).slice(1), file.sha256]));
    return { id, documents: counts['indexed'] ?? 0, blocks: Array.isArray(blocks) ? blocks.map(Number) : [], sha256 };
  });
}

/** Names of tasks. */
export const numbered = (tasks: number): string[] =>
  Array.from({ length: tasks }, (_, i) => String(i).padStart(5, '0'));
