import { SourceError } from '../errors.ts';
import { writeGraphJson } from '../formats/graphJson.ts';
import { GRAPH_JSON_FORMAT } from '../formats/names.ts';
import { besideShard } from '../layouts/openShard.ts';
import { definePipeline, type Pipeline } from '../run/definition.ts';
import type { JobStage } from '../run/jobStage.ts';
import { counting, filesOf, listTables, requireSame, tableFiles } from './tableFiles.ts';

const FOLDER = 'json';

/**
 * A pipeline that writes the hypergraph of every sidecar as JSON, `json/<name>.hypergraph.json`, as `writeGraphJson` says;
 * one task for each.
 *
 * @throws SourceError `NO_SIDECAR` where a file has none beside it, and what the input cannot be listed for
 */
export async function graphJsonPipeline(inputs: readonly string[], dir?: string): Promise<Pipeline> {
  const files = await listTables(
    { inputs, dir },
    {
      splitBytes: 1,
      reject(error) {
        throw error;
      },
    },
  );
  for (const { path, sidecar } of files) {
    if (sidecar !== null) continue;
    throw new SourceError(`there is no hypergraph beside '${path}'`, {
      code: 'NO_SIDECAR',
      path,
      hint: 'a pipeline with a hypergraph sink writes one',
    });
  }
  const names = files.map(({ name }) => `${FOLDER}/${name}.hypergraph.json`);
  const stage: JobStage = {
    name: `${FOLDER}/graph`,
    holds: 8 << 20,
    files: names,
    tasks: async () => names.map((_, i) => String(i).padStart(6, '0')),
    async run(context) {
      const number = Number(context.task);
      const planned = filesOf(context.splits)[number];
      const name = names[number];
      if (planned === undefined || name === undefined) return {};
      const { sidecar } = besideShard(planned.path);
      await requireSame(sidecar, planned.sidecar);
      const file = await context.file(name);
      let bytes = 0;
      await writeGraphJson(sidecar, {
        async write(chunk) {
          context.signal.throwIfAborted();
          bytes += chunk.length;
          await file.write(chunk);
        },
      });
      await file.publish({ format: GRAPH_JSON_FORMAT });
      return { files: 1, bytes };
    },
  };
  return definePipeline('export-json', tableFiles({ inputs, dir })).to(counting('json', { files: names }, [stage]));
}
