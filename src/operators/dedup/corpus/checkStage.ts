import { createHash } from 'node:crypto';
import { PipelineError } from '../../../errors.ts';
import { fileChunks } from '../../../formats/fileChunks.ts';
import type { JobStage, JobView } from '../../../run/jobStage.ts';
import type { IndexedFile } from './indexFile.ts';
import type { CorpusOptions } from './options.ts';
import { corpusOf, numbered } from './runCorpus.ts';

/** Files that a task reads. */
const FILES_PER_TASK = 64;

/** Reads the files of the corpora before this one and compares their hashes: a damaged index would find too little in silence. */
export function checkStage(options: CorpusOptions): JobStage {
  const filesOf = (job: JobView): readonly IndexedFile[] => corpusOf(options, job).earlier;
  return {
    name: `${options.index}/check`,
    holds: 2 << 20,
    tasks: async (job) => numbered(Math.ceil(filesOf(job).length / FILES_PER_TASK)),
    run: async (context) => {
      const first = Number(context.task) * FILES_PER_TASK;
      const files = filesOf(context).slice(first, first + FILES_PER_TASK);
      for (const file of files) {
        context.signal.throwIfAborted();
        await requireWhole(file);
      }
      return { files: files.length };
    },
  };
}

async function requireWhole({ path, sha256 }: IndexedFile): Promise<void> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of fileChunks(path)) hash.update(chunk);
  } catch (error) {
    throw damaged(path, (error as Error).message);
  }
  if (hash.digest('hex') !== sha256) throw damaged(path, 'its SHA-256 is another');
}

function damaged(path: string, reason: string): PipelineError {
  return new PipelineError(`a file of the earlier corpus is not as it was written: ${reason}`, {
    code: 'DAMAGED',
    path,
    hint: "'sluice verify' tells what else is; deduplicate that corpus again with --fresh",
  });
}
