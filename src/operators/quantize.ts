import { defer, type OperatorFunction } from 'rxjs';
import { PipelineError } from '../errors.ts';
import { mapAsync, transduce } from '../flow/index.ts';
import { type ModelSettings, openOptions } from '../model/openOptions.ts';
import { readQuantizers } from '../quantization/quantizerFile.ts';
import { type Meta, type Patches, QUANTIZED_FIELDS, type QuantizedField } from '../records.ts';
import { readCommit } from '../run/commitRecord.ts';
import { currentRun, type SplitOutput } from '../run/context.ts';
import { commitName } from '../run/jobStage.ts';
import { withTraits } from '../run/stages.ts';
import { requireValues } from '../run/valueKinds.ts';
import { type EncodeDevice, FieldQuantizer, isWorthTheWay } from './quantize/fieldQuantizer.ts';
import { QUALITY_BYTES } from './quantize/qualityWorker.ts';
import { SAMPLE_FORMAT, SplitSamples } from './quantize/samples.ts';
import { filesOf, type QuantizeOptions, type QuantizeSettings, quantizeSettings } from './quantize/settings.ts';
import { quantizePreparation } from './quantize/stages.ts';
import { committedQuantizer, readTrained, type TrainedFile } from './quantize/trained.ts';

export type { QuantizeOptions, SampleOptions } from './quantize/settings.ts';

const ROOM = { items: 8, bytes: 16 << 20 };
/** What quantizers have learned, twice: as it was read, and where it is multiplied with. */
const LEARNED_BYTES = 32 << 20;

/**
 * Has sinks write embeddings, and signals where asked, in fewer bytes: by a scheme, or transforms and a scheme behind them.
 * The float32 values stay with the patches, for whatever stands behind; sinks write what was quantized in their place, or
 * beside them with `keep`. docs/quantization.md has the schemes, their sizes and their errors.
 *
 * Schemes that learn (`pq`, `pca`, `autoencoder`, scales that are no row's own) do so in a run: some splits are read once
 * before, rows are drawn from them evenly by a seeded reservoir, and what was learned is `quantizer/quantizer.safetensors`.
 * Such a `quantize` can only stand in `.pipe` of a pipeline by itself. In a flow of your own, or to spare the first reading,
 * name a file that was trained before as `quantizer`.
 *
 * Behind a run, `quantizer/quality.json` tells what was lost, over rows drawn from everything: cosine, errors, how many of the
 * ten nearest neighbours are still found, and the sizes. The result is the same for any number of workers, and on any device.
 *
 *     patches.pipe(quantize({ to: 'int8' }))
 *     quantize({ to: [{ scheme: 'pca', components: 64 }, 'int8'] })
 *     quantize({ to: 'pq', signals: { entropies: { scheme: 'variable', bits: 8, range: 'minmax' } } })
 *
 * @throws PipelineError `BAD_OPTION`, `UNKNOWN_OPTION`, `BAD_FOLDER`, at once. The flow fails with PipelineError `NEEDS_RUN`,
 *   `NOTHING_TO_QUANTIZE`, `OTHER_QUANTIZER`, `WRONG_VALUES`, and with SluiceError `QUANTIZE_VALUE` for a number that is not
 *   finite, `QUANTIZE_SAMPLE` where there is too little to learn from, `QUANTIZER_COLUMNS`, `QUANTIZER_FILE`
 */
export function quantize<M extends Meta = Meta>(options: QuantizeOptions): OperatorFunction<Patches<M>, Patches<M>> {
  const settings = quantizeSettings(options);
  const { fields, keep, sample, quantizer, qualityRows, dir } = settings;
  const decisive = { fields: fields.map(({ field, chain }) => ({ field, chain })), keep, sample, qualityRows, dir };
  const operator = (source: Parameters<OperatorFunction<Patches<M>, Patches<M>>>[0]) =>
    defer(() => {
      const { output, rehearsal = false, model } = currentRun() ?? {};
      const flow = rehearsal ? undefined : new QuantizeFlow(settings, output, deviceOf(settings, model));
      return source.pipe(
        transduce(() => ({
          next(value: Patches<M>) {
            requireValues('quantize', ['patches'], value);
            return [value];
          },
        })),
        mapAsync((value: Patches<M>) => (flow === undefined ? value : flow.quantize(value)), {
          name: 'quantize',
          concurrency: 4,
          room: ROOM,
          sizeOf: (value) => 2 * 4 * (value.dim + 4) * value.lengths.length + 10 * value.bytes.length,
          holds: LEARNED_BYTES + 3 * QUALITY_BYTES,
          options: decisive,
          identify: async () =>
            quantizer === undefined ? null : { quantizer: (await readQuantizers(quantizer)).sha256 },
        }),
      );
    });
  return withTraits(operator, { preparation: quantizePreparation(settings) });
}

/** What an operator before has quantized stays, unless it is quantized anew; in the order of the fields. */
function together(before: readonly QuantizedField[], own: readonly QuantizedField[]): QuantizedField[] {
  return QUANTIZED_FIELDS.flatMap((name) => {
    const isIt = ({ field }: QuantizedField): boolean => field === name;
    return own.find(isIt) ?? before.find(isIt) ?? [];
  });
}

/** A GPU that encodes; undefined for the CPU. */
function deviceOf(
  { device: asked, fields }: QuantizeSettings,
  model: ModelSettings | undefined,
): EncodeDevice | undefined {
  const isAsked = asked !== 'auto';
  // to look for a GPU takes a process
  if (!isAsked && !fields.some(isWorthTheWay)) return undefined;
  const { device = 'cpu' } = openOptions({ device: isAsked ? asked : model?.device });
  return device.startsWith('webgpu') ? { name: device, isAsked } : undefined;
}

/** The values of one subscription. */
class QuantizeFlow {
  readonly #settings: QuantizeSettings;
  readonly #output: SplitOutput | undefined;
  readonly #samples: SplitSamples | undefined;
  readonly #device: EncodeDevice | undefined;
  #fields: Promise<readonly FieldQuantizer[]> | undefined;

  constructor(settings: QuantizeSettings, output: SplitOutput | undefined, device: EncodeDevice | undefined) {
    this.#settings = settings;
    this.#output = output;
    this.#device = device;
    const { fields, qualityRows, sample, dir } = settings;
    if (output === undefined || qualityRows === 0) return;
    const drawings = fields.map(({ field }) => ({ field, moments: false }));
    const samples = new SplitSamples(
      drawings,
      { rows: qualityRows, bytes: QUALITY_BYTES },
      sample.seed,
      output.split.id,
    );
    this.#samples = samples;
    output.beforeCommit(async () => {
      const file = await output.file(`${dir}/${output.split.id}.sample.safetensors`);
      for (const chunk of samples.chunks()) await file.write(chunk);
      await file.publish({ format: SAMPLE_FORMAT, temporary: true });
      return {};
    });
  }

  async quantize<M extends Meta>(value: Patches<M>): Promise<Patches<M>> {
    this.#samples?.add(value);
    this.#fields ??= this.#open();
    const fields = await this.#fields;
    const own = await Promise.all(fields.map((field) => field.quantize(value)));
    return { ...value, quantized: value.quantized === undefined ? own : together(value.quantized, own) };
  }

  async #open(): Promise<readonly FieldQuantizer[]> {
    const { fields, keep } = this.#settings;
    const trained = fields.some(({ trains }) => trains) ? await this.#trained() : undefined;
    return fields.map((field) => new FieldQuantizer(field, keep, { trained, device: this.#device }));
  }

  async #trained(): Promise<TrainedFile> {
    const { quantizer: path, training } = filesOf(this.#settings);
    const root = this.#output?.root;
    const commit = root === undefined ? undefined : await readCommit(root, commitName(training, '0'));
    if (root !== undefined && commit !== undefined) {
      return readTrained(`${root}/${path}`, { path, sha256: committedQuantizer(commit, path) });
    }
    if (this.#settings.quantizer !== undefined) return readTrained(this.#settings.quantizer);
    throw new PipelineError('what quantize learns, a run learns beforehand', {
      code: 'NEEDS_RUN',
      hint: 'give quantize to .pipe of a pipeline by itself; in a flow of your own, name a trained file: { quantizer }',
    });
  }
}
