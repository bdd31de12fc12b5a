import path from 'node:path';
import { LINK_BYTES } from '../../formats/corpus/documentLinks.ts';
import type { CorpusPart } from '../../formats/corpus/sidecarFile.ts';
import { CORPUS_FORMAT, SIDECAR_FORMAT } from '../../formats/names.ts';
import type { SemanticSettings } from '../../lsh/semantic/settings.ts';
import type { JobStage } from '../../run/jobStage.ts';
import { sharedPool, workerModule } from '../../run/pool.ts';
import type { Artefact } from '../artefact.ts';
import { artefactsOf } from '../gatherFiles.ts';
import type { CorpusAnswer, CorpusTask } from './corpusWorker.ts';
import { requireDone } from './failure.ts';

/** SQLite's cache, and rows on their way. */
const HOLDS = 80 << 20;

/** One database of the sidecars of all splits, when they are done; see `buildCorpus`. */
export function corpusStage(dir: string, into: string, settings: SemanticSettings | undefined): JobStage {
  return {
    name: `${dir}/corpus`,
    holds: HOLDS + (settings === undefined || settings.documents === null ? 0 : LINK_BYTES),
    files: [into],
    tasks: async () => ['0'],
    run: async (context) => {
      const parts = artefactsOf(context, dir, SIDECAR_FORMAT).map((artefact) => partOf(context.root, artefact));
      const file = await context.file(into);
      // a worker that is ended midway ends the process: it is told instead, and waited for
      const stop = new Int32Array(new SharedArrayBuffer(4));
      const abort = (): void => {
        stop[0] = 1;
      };
      context.signal.addEventListener('abort', abort, { once: true });
      try {
        const task: CorpusTask = { file: file.temporary, parts, stop };
        const module = workerModule(import.meta.url, './corpusWorker');
        const answer = await sharedPool().run<CorpusAnswer>(module, task);
        context.signal.throwIfAborted();
        const counts = requireDone(answer, into, file.temporary);
        await file.publish({ format: CORPUS_FORMAT, dir, shards: parts.length, ...counts });
        return { ...counts };
      } finally {
        context.signal.removeEventListener('abort', abort);
      }
    },
  };
}

/** What a sidecar is called within a corpus. */
export function partOf(root: string, { path: name, info }: Artefact): CorpusPart {
  return { file: path.join(root, name), path: name, split: String(info['split']), shard: Number(info['shard']) };
}
