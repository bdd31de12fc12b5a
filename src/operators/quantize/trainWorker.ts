import { writeFile } from 'node:fs/promises';
import { SluiceError } from '../../errors.ts';
import type { Chain } from '../../quantization/chain.ts';
import { chainName } from '../../quantization/fieldTensors.ts';
import { type Quantizer, trainQuantizer } from '../../quantization/quantizer.ts';
import { quantizerChunks } from '../../quantization/quantizerFile.ts';
import type { QuantizedFieldName } from '../../records.ts';
import { crossing } from '../../run/crossing.ts';
import { type DrawingLimits, mergedSample } from './samples.ts';

export interface TrainTask {
  /** Samples, in the order of the splits. */
  readonly files: readonly string[];
  readonly fields: readonly { readonly field: QuantizedFieldName; readonly chain: Chain }[];
  readonly limits: DrawingLimits;
  readonly seed: number;
  /** Where the quantizers go. */
  readonly out: string;
}

/** A worker's task: trains the quantizers of all fields. Returns how many rows each was trained on, and drawn from. */
export default function train(task: TrainTask): Promise<Record<string, number>> {
  return crossing(async () => {
    const quantizers = new Map<QuantizedFieldName, Quantizer>();
    const counts: Record<string, number> = {};
    for (const { field, chain } of task.fields) {
      const sample = await mergedSample(task.files, field, task.limits);
      if (sample === undefined) {
        throw new SluiceError(`there are no ${field} to train ${chainName(chain)} on`, {
          code: 'QUANTIZE_SAMPLE',
          hint: 'the splits that were read gave no patches; sample.splits says how many are',
        });
      }
      const { columns, rows, moments, seen } = sample;
      quantizers.set(field, trainQuantizer(chain, { columns, rows, moments, seed: task.seed }));
      counts[`${field}_rows`] = rows.length / columns;
      counts[`${field}_rows_seen`] = seen;
    }
    const facts = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, String(count)]));
    await writeFile(task.out, quantizerChunks(quantizers, { ...facts, seed: String(task.seed) }));
    return counts;
  });
}
