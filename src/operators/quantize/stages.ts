import path from 'node:path';
import { QUANTIZATION_QUALITY_FORMAT } from '../../formats/names.ts';
import { QUANTIZER_FORMAT, readQuantizers } from '../../quantization/quantizerFile.ts';
import type { JobStage, JobView } from '../../run/jobStage.ts';
import { sharedPool, workerModule } from '../../run/pool.ts';
import type { Preparation } from '../../run/stages.ts';
import type { Split } from '../../sources/source.ts';
import type { QualityTask } from './qualityWorker.ts';
import { sampleSink } from './sampleSink.ts';
import { SAMPLE_FORMAT } from './samples.ts';
import { filesOf, type QuantizeSettings } from './settings.ts';
import { committedQuantizer, requireAsked } from './trained.ts';
import type { TrainTask } from './trainWorker.ts';

const trainModule = workerModule(import.meta.url, './trainWorker');
const qualityModule = workerModule(import.meta.url, './qualityWorker');

/**
 * What a run does besides quantizing: where schemes learn, a pass that draws rows and a stage that trains, or takes over what
 * was trained before; behind the run, a stage that measures what quantizing has cost.
 */
export function quantizePreparation(settings: QuantizeSettings): Preparation {
  const { fields, dir, quantizer, sample, qualityRows } = settings;
  const trains = fields.some((field) => field.trains);
  const pass = `${dir}/sample`;
  const drawn = trains && quantizer === undefined;
  return {
    pass: drawn
      ? { name: pass, sink: sampleSink(settings, pass), splits: (all) => spread(all, sample.splits) }
      : undefined,
    before: trains ? [drawn ? trainStage(settings, pass) : takeOverStage(settings, quantizer ?? '')] : [],
    after: qualityRows > 0 ? [qualityStage(settings)] : [],
  };
}

/** So many of the splits, the first one among them, in equal distances. */
export function spread(splits: readonly Split[], count: number): Split[] {
  const taken = Math.min(count, splits.length);
  return Array.from({ length: taken }, (_, i) => splits[Math.floor((i * splits.length) / taken)]).flatMap(
    (split) => split ?? [],
  );
}

function trainStage(settings: QuantizeSettings, pass: string): JobStage {
  const { fields, sample } = settings;
  const { quantizer: file, training } = filesOf(settings);
  return {
    name: training,
    // rows as they are read, drawn, in order, and as each scheme hands them on
    holds: 6 * sample.bytes,
    // of wide rows mostly moments: as they are read, added up, as a matrix, and as its components are sought
    holdsFor: (job) => Math.max(6 * sample.bytes, 9 * largestFile(job, pass)),
    files: [file],
    tasks: async () => ['0'],
    async run(context) {
      const out = await context.file(file);
      const task: TrainTask = {
        files: sampleFiles(context, pass),
        fields: fields.filter(({ trains }) => trains).map(({ field, chain }) => ({ field, chain })),
        limits: sample,
        seed: sample.seed,
        out: out.temporary,
      };
      context.signal.throwIfAborted();
      const counts = await sharedPool().run<Record<string, number>>(trainModule, task);
      await out.publish({ format: QUANTIZER_FORMAT });
      return counts;
    },
  };
}

/** What was trained before becomes a file of the output, which can then be read by itself. */
function takeOverStage(settings: QuantizeSettings, quantizer: string): JobStage {
  const { quantizer: file, training } = filesOf(settings);
  return {
    name: training,
    holds: 64 << 20,
    files: [file],
    tasks: async () => ['0'],
    async run(context) {
      const { quantizers, bytes } = await readQuantizers(quantizer);
      requireAsked(quantizers, settings, quantizer);
      const out = await context.file(file);
      await out.write(bytes);
      await out.publish({ format: QUANTIZER_FORMAT });
      return {};
    },
  };
}

function qualityStage(settings: QuantizeSettings): JobStage {
  const { dir, fields, qualityRows } = settings;
  const files = filesOf(settings);
  return {
    name: `${dir}/measure`,
    // rows as they are read and drawn, what was made of them, and similarities
    holds: 512 << 20,
    files: [files.quality],
    tasks: async () => ['0'],
    async run(context) {
      const trained = fields.some(({ trains }) => trains);
      const [commit] = context.commitsOf(files.training);
      const out = await context.file(files.quality);
      const task: QualityTask = {
        files: qualityFiles(context, dir),
        fields: fields.map(({ field, chain }) => ({ field, chain })),
        rows: qualityRows,
        quantizer: trained
          ? { file: path.join(context.root, files.quantizer), sha256: committedQuantizer(commit, files.quantizer) }
          : undefined,
        format: QUANTIZATION_QUALITY_FORMAT,
        out: out.temporary,
      };
      context.signal.throwIfAborted();
      await sharedPool().run<void>(qualityModule, task);
      await out.publish({ format: QUANTIZATION_QUALITY_FORMAT });
      return {};
    },
  };
}

function largestFile(job: JobView, pass: string): number {
  return job.commitsOf(pass).reduce((most, { artefacts }) => Math.max(most, ...artefacts.map(({ bytes }) => bytes)), 0);
}

/** Files of a pass, in the order of its splits. */
function sampleFiles(job: JobView, pass: string): string[] {
  return job.commitsOf(pass).flatMap(({ artefacts }) => artefacts.map((one) => path.join(job.root, one.path)));
}

function qualityFiles(job: JobView, dir: string): string[] {
  return job
    .commitsOf('')
    .flatMap(({ artefacts }) =>
      artefacts
        .filter((one) => one.info['format'] === SAMPLE_FORMAT && path.posix.dirname(one.path) === dir)
        .map((one) => path.join(job.root, one.path)),
    );
}
