import path from 'node:path';
import { DEDUP_REPORT_FORMAT, DUPLICATES_FORMAT } from '../../../formats/names.ts';
import { canonicalJson } from '../../../json.ts';
import { commitName, type JobStage, type JobView } from '../../../run/jobStage.ts';
import { sharedPool, workerModule } from '../../../run/pool.ts';
import { artefactsOf } from '../../../sinks/gatherFiles.ts';
import type { CorpusOptions } from './options.ts';
import type { ReportNumbers, ReportTask } from './reportWorker.ts';

const reportModule = workerModule(import.meta.url, './reportWorker');

/** What is found in all splits, when all are done: clusters, a report, and where it is asked for all duplicates in one file. */
export function reportStage(options: CorpusOptions, holdsFor: (job: JobView) => number): JobStage {
  const { index, files, settings } = options;
  const name = `${index}/report`;
  return {
    name,
    // stated for a corpus of 16 million documents: 4 bytes each
    holds: 64 << 20,
    holdsFor,
    files: files && Object.values(files),
    tasks: async () => ['0'],
    run: async (context) => {
      const own = commitName(name, context.task);
      const duplicates = files && (await context.file(files.duplicates));
      const clusters = await context.file(files?.clusters ?? `${own}.clusters.jsonl`);
      const report = await context.file(files?.report ?? `${own}.json`);
      const task: ReportTask = {
        folder: path.join(context.root, index),
        duplicates: artefactsOf(context, options.dir, DUPLICATES_FORMAT).map((file) =>
          path.join(context.root, file.path),
        ),
        duplicatesOut: duplicates?.temporary,
        clustersOut: clusters.temporary,
      };
      const numbers = await sharedPool().run<ReportNumbers>(reportModule, task);
      const { cluster_sizes, similarity, ...counts } = numbers;
      await duplicates?.publish({ format: DUPLICATES_FORMAT, duplicates: counts.duplicates });
      await clusters.publish({ format: 'sluice_clusters_v1', clusters: counts.clusters });
      const pairs = {
        candidates: sum(context, `${index}/verify`, 'candidates'),
        alike: sum(context, `${index}/verify`, 'alike'),
      };
      // nothing else counts where bytes have to be equal
      const counted = settings.near ? { ...settings } : { near: false };
      const content = { format: DEDUP_REPORT_FORMAT, settings: counted, pairs, ...numbers };
      await report.write(Buffer.from(`${canonicalJson(JSON.parse(JSON.stringify(content)), 1)}\n`));
      await report.publish({ format: DEDUP_REPORT_FORMAT });
      return counts;
    },
  };
}

function sum(job: JobView, stage: string, count: string): number {
  return job.commitsOf(stage).reduce((all, { counts }) => all + (counts[count] ?? 0), 0);
}
