import path from 'node:path';
import { fileChunks } from '../formats/fileChunks.ts';
import type { JobStage, JobView } from '../run/jobStage.ts';
import type { Artefact } from './artefact.ts';

export interface GatherOptions {
  /** Folder of the files of the splits. */
  readonly dir: string;
  /** Their formats, of which a run writes one: others may lie beside them. */
  readonly formats: readonly string[];
  /** Name of the file in the output folder that they become, in the order of the splits. */
  readonly into: string;
  /** What is said of it, from what is said of its parts. */
  info(parts: readonly Artefact['info'][]): Artefact['info'];
}

/** One file of the files of all splits, which may go then; for formats whose files can be put one behind the other. */
export function gatherFiles({ dir, formats, into, info }: GatherOptions): JobStage {
  return {
    name: `${dir}/gather`,
    holds: 4 << 20,
    files: [into],
    tasks: async () => ['0'],
    run: async (context) => {
      const parts = artefactsOf(context, dir, ...formats);
      const file = await context.file(into);
      let bytes = 0;
      for (const part of parts) {
        for await (const chunk of fileChunks(path.join(context.root, part.path))) {
          context.signal.throwIfAborted();
          await file.write(chunk);
          bytes += chunk.length;
        }
      }
      if (bytes === 0) await file.write(new Uint8Array(0));
      await file.publish(info(parts.map((part) => part.info)));
      return { files: parts.length, bytes };
    },
  };
}

/** The files of a format, or of some, in a folder, in the order of the splits. */
export function artefactsOf(job: JobView, dir: string, ...formats: readonly string[]): Artefact[] {
  return job
    .commitsOf('')
    .flatMap(({ artefacts }) =>
      artefacts.filter(
        ({ path: file, info }) => path.posix.dirname(file) === dir && formats.includes(String(info.format)),
      ),
    );
}
