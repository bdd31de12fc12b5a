import { PipelineError } from '../errors.ts';
import type { Artefact } from '../sinks/artefact.ts';
import { type CommitRecord, commitPath } from './commitRecord.ts';
import { asDiskError, type OutputFolder, type TemporaryFile } from './durable.ts';
import { commitName, type JobStage, type JobView, type TaskContext } from './jobStage.ts';

/** Runs one task of a stage and commits it: its files get their names, then `commits/<stage>-<task>.json` makes it done. */
export async function runTask(
  stage: JobStage,
  task: string,
  job: JobView,
  folder: OutputFolder,
  signal: AbortSignal,
): Promise<CommitRecord> {
  const id = commitName(stage.name, task);
  const files: TemporaryFile[] = [];
  const artefacts: Artefact[] = [];
  const context: TaskContext = {
    root: job.root,
    splits: job.splits,
    commitsOf: (name) => job.commitsOf(name),
    task,
    signal,
    file: async (path) => {
      requireOwnFile(stage, id, path);
      const file = await folder.file(path);
      files.push(file);
      return {
        temporary: file.temporary,
        write: (chunk) => file.write(chunk),
        publish: async (info) => {
          const artefact = await file.publish(info);
          artefacts.push(artefact);
          return artefact;
        },
      };
    },
  };
  try {
    signal.throwIfAborted();
    const counts = await stage.run(context);
    signal.throwIfAborted();
    artefacts.sort((a, b) => (a.path < b.path ? -1 : 1));
    const record: CommitRecord = { split: id, artefacts, counts, rejects: 0 };
    await folder.publish(commitPath(id), `${JSON.stringify(record, undefined, 1)}\n`);
    return record;
  } catch (error) {
    await Promise.allSettled(files.map((file) => file.discard()));
    throw asDiskError(error, folder.root);
  }
}

function requireOwnFile(stage: JobStage, id: string, path: string): void {
  const isOwn = path.startsWith(`${id}.`) && /^[\w-]+\/[\w-][\w.-]*$/.test(path);
  if (isOwn || stage.files?.includes(path)) return;
  throw new PipelineError(`stage '${stage.name}' writes '${path}', which is no file of its task`, {
    code: 'BAD_FILE',
    path,
    hint: `name it ${id}.<something>, or list it in the stage's files`,
  });
}
