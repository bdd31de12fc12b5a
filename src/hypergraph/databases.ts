import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { SluiceError } from '../errors.ts';
import { CORPUS_FORMAT, SIDECAR_FORMAT } from '../formats/names.ts';
import { type CommitRecord, readCommit, taskCommitNames } from '../run/commitRecord.ts';
import { readPlan } from '../run/plan.ts';
import type { Artefact } from '../sinks/artefact.ts';
import { didYouMean } from '../suggest.ts';

/**
 * The databases that a path stands for, in order: itself where it is a file; of an output folder, that of the whole run where
 * there is one, else the sidecars of its splits; of any other folder, the sidecars in it by name.
 *
 * @throws SluiceError `NOT_FOUND`, `NO_GRAPH`
 */
export async function databasesAt(where: string): Promise<string[]> {
  const found = await stat(where).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') return undefined;
    const beside = await readdir(path.dirname(path.resolve(where))).catch(() => undefined);
    throw new SluiceError(`'${where}' does not exist`, {
      code: 'NOT_FOUND',
      path: where,
      hint:
        beside === undefined
          ? `'${path.dirname(where)}' does not exist either.`
          : didYouMean(path.basename(where), beside),
    });
  });
  if (found?.isDirectory() !== true) return [where];
  const files = (await ofOutput(where)) ?? (await ofFolder(where));
  if (files.length > 0) return files;
  throw new SluiceError(`there is no hypergraph in '${where}'`, {
    code: 'NO_GRAPH',
    path: where,
    hint: 'give a .hypergraph.db, or an output folder of a pipeline that writes hypergraph()',
  });
}

async function ofOutput(root: string): Promise<string[] | undefined> {
  const plan = await readPlan(root);
  if (plan === undefined) return undefined;
  const commits = async (names: readonly string[]): Promise<CommitRecord[]> => {
    const records = await Promise.all(names.map((name) => readCommit(root, name)));
    return records.filter((record) => record !== undefined);
  };
  const files = (records: readonly CommitRecord[], format: string): Artefact[] =>
    records.flatMap(({ artefacts }) => artefacts.filter(({ info }) => info['format'] === format));
  const [whole] = files(await commits(await taskCommitNames(root)), CORPUS_FORMAT);
  if (whole !== undefined) return [path.join(root, whole.path)];
  const sidecars = files(await commits(plan.splits.map(({ id }) => id)), SIDECAR_FORMAT);
  // a pipeline may write the same patches twice, in two layouts
  const dir = sidecars.map((file) => path.posix.dirname(file.path)).sort()[0];
  return sidecars.filter((file) => path.posix.dirname(file.path) === dir).map((file) => path.join(root, file.path));
}

async function ofFolder(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.hypergraph.db'));
  return names.sort().map((name) => path.join(folder, name));
}
