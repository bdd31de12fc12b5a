import path from 'node:path';
import type { JoinResult, JoinTask } from '../../../lsh/corpus/joinWorker.ts';
import { RANGE_BITS } from '../../../lsh/corpus/keyBlock.ts';
import type { LinkResult, LinkTask } from '../../../lsh/corpus/linkWorker.ts';
import { RUN_PAIRS } from '../../../lsh/corpus/pairs.ts';
import type { CorpusPart } from '../../../lsh/corpus/parts.ts';
import type { PairFile, VerifyResult, VerifyTask } from '../../../lsh/corpus/verifyWorker.ts';
import { commitName, type JobStage, type JobView, type TaskContext } from '../../../run/jobStage.ts';
import { sharedPool, workerModule } from '../../../run/pool.ts';
import type { Preparation } from '../../../run/stages.ts';
import { checkStage } from './checkStage.ts';
import { type Corpus, type CorpusIndex, INDEX_FILE, indexText } from './indexFile.ts';
import type { CorpusOptions } from './options.ts';
import { reportStage } from './reportStage.ts';
import { corpusOf, numbered, splitsOf } from './runCorpus.ts';
import { signSink } from './signSink.ts';

/** Keys that a task links: 24 bytes each where all are different, and 8 for each pair. */
const KEYS_PER_TASK = 2_000_000;
/** Documents whose pairs a task verifies. A run that is interrupted waits for the tasks in hand: some seconds for either. */
const DOCUMENTS_PER_TASK = { signature: 1 << 17, jaccard: 1 << 13 } as const;

const module = (name: string): string => workerModule(import.meta.url, `../../../lsh/corpus/${name}`);

/**
 * What a corpus needs before its documents can be told to be kept or dropped: `sign` (a pass over all splits), `check` (of the
 * files of an earlier corpus, where there is one), `link` (a task
 * for each range of keys), `verify` (a task for each range of documents), `cluster` (one task); and `report` behind the run.
 */
export function corpusPreparation(options: CorpusOptions): Preparation {
  const { settings, index, keepIndex, against } = options;
  const pass = `${index}/sign`;
  return {
    check: (root) => against?.requireOutside(root),
    pass: { name: pass, sink: signSink({ settings, pass, temporary: !keepIndex }) },
    before: [
      ...(against === undefined ? [] : [checkStage(options)]),
      ...[linkStage(options), verifyStage(options), clusterStage(options)],
    ],
    after: [reportStage(options, rootBytes(options))],
  };
}

/** What a task takes that has a number for each document of the corpus, and what it reads them with. */
const rootBytes =
  (options: CorpusOptions) =>
  (job: JobView): number =>
    4 * corpusOf(options, job).documents + (16 << 20);

const TEMPORARY = { temporary: true } as const;

function linkStage(options: CorpusOptions): JobStage {
  const name = `${options.index}/link`;
  return {
    name,
    holds: 40 * KEYS_PER_TASK + 24 * RUN_PAIRS,
    tasks: async (job) => numbered(linkTasks(corpusOf(options, job).parts)),
    run: async (context) => {
      const { parts, firstNew } = corpusOf(options, context);
      const [from, to] = rangeOf(Number(context.task), linkTasks(parts), 2 ** RANGE_BITS);
      const file = await context.file(`${commitName(name, context.task)}.pairs`);
      const task: LinkTask = { parts, from, to, firstNew, out: file.temporary };
      const { runs, keys } = await inWorker<LinkResult>('linkWorker', task, context);
      await file.publish({ format: 'sluice_corpus_pairs_v1', runs, ...TEMPORARY });
      return { keys, pairs: runs.reduce((sum, pairs) => sum + pairs, 0) };
    },
  };
}

function linkTasks(parts: readonly CorpusPart[]): number {
  const keys = parts.reduce((sum, { blocks }) => sum + blocks.reduce((all, entries) => all + entries, 0), 0);
  return Math.min(2 ** RANGE_BITS, Math.max(1, Math.ceil(keys / KEYS_PER_TASK)));
}

function verifyStage(options: CorpusOptions): JobStage {
  const name = `${options.index}/verify`;
  const perTask = DOCUMENTS_PER_TASK[options.settings.verify];
  const tasksFor = ({ documents, firstNew }: Corpus): number => Math.ceil((documents - firstNew) / perTask);
  return {
    name,
    // two pairs for each key of a document, and one more for its bytes, if all were different
    holds: 24 * 2 * (options.settings.banding.bands + 1) * perTask,
    tasks: async (job) => numbered(tasksFor(corpusOf(options, job))),
    run: async (context) => {
      const { parts, firstNew, documents, settings } = corpusOf(options, context);
      const from = firstNew + Number(context.task) * perTask;
      const to = Math.min(documents, from + perTask);
      const candidates = filesOf(context, `${options.index}/link`, '.pairs');
      const file = await context.file(`${commitName(name, context.task)}.alike`);
      const task: VerifyTask = { parts, settings, candidates, from, to, out: file.temporary };
      const result = await inWorker<VerifyResult>('verifyWorker', task, context);
      await file.publish({ format: 'sluice_corpus_alike_v1', pairs: result.alike, ...TEMPORARY });
      return { ...result };
    },
  };
}

function clusterStage(options: CorpusOptions): JobStage {
  const { index, keepIndex, against, settings } = options;
  const name = `${index}/cluster`;
  return {
    name,
    // stated for a corpus of 16 million documents: 4 bytes each
    holds: 64 << 20,
    holdsFor: rootBytes(options),
    files: [`${index}/${INDEX_FILE}`],
    tasks: async () => ['0'],
    run: async (context) => {
      const { documents, firstNew, roots } = corpusOf(options, context);
      const file = await context.file(`${commitName(name, context.task)}.roots`);
      const pairs = filesOf(context, `${index}/verify`, '.alike').map((one) => one.file);
      const task: JoinTask = { documents, earlier: roots.slice(0, -1), firstNew, pairs, out: file.temporary };
      const { kept } = await inWorker<JoinResult>('joinWorker', task, context);
      const lasting = keepIndex ? {} : TEMPORARY;
      const published = await file.publish({
        format: 'sluice_corpus_roots_v1',
        documents: documents - firstNew,
        ...lasting,
      });
      const description = await context.file(`${index}/${INDEX_FILE}`);
      const content: CorpusIndex = {
        format: 'sluice_corpus_v1',
        settings,
        splits: splitsOf(options, context),
        roots: published.sha256,
        against: against?.namedFrom(path.join(context.root, index)) ?? null,
      };
      await description.write(Buffer.from(indexText(content)));
      await description.publish({ format: 'sluice_corpus_v1', ...lasting });
      return { documents: documents - firstNew, documents_before: firstNew, kept };
    },
  };
}

/** Files of a stage that is complete, in the order of its tasks. */
function filesOf(job: JobView, stage: string, extension: string): PairFile[] {
  return job.commitsOf(stage).flatMap(({ artefacts }) =>
    artefacts
      .filter((artefact) => artefact.path.endsWith(extension))
      .map((artefact) => {
        const { runs } = artefact.info;
        return { file: path.join(job.root, artefact.path), runs: Array.isArray(runs) ? runs.map(Number) : [] };
      }),
  );
}

function inWorker<R>(name: string, task: unknown, { signal }: TaskContext): Promise<R> {
  signal.throwIfAborted();
  return sharedPool().run<R>(module(name), task);
}

/** The place of one of several equal parts of [0, whole). */
function rangeOf(part: number, parts: number, whole: number): [number, number] {
  return [Math.floor((part * whole) / parts), Math.floor(((part + 1) * whole) / parts)];
}
