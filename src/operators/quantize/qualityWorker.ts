import { writeFile } from 'node:fs/promises';
import { canonicalJson, type JsonValue } from '../../json.ts';
import type { Chain } from '../../quantization/chain.ts';
import { measureQuality } from '../../quantization/quality.ts';
import { openQuantizer } from '../../quantization/quantizer.ts';
import type { QuantizedFieldName } from '../../records.ts';
import { crossing } from '../../run/crossing.ts';
import { mergedSample } from './samples.ts';
import { quantizerFor, readTrained } from './trained.ts';

export interface QualityTask {
  /** Samples, in the order of the splits. */
  readonly files: readonly string[];
  readonly fields: readonly { readonly field: QuantizedFieldName; readonly chain: Chain }[];
  /** Over which each field is measured, at most. */
  readonly rows: number;
  /** File of what was trained, where anything was. */
  readonly quantizer: { readonly file: string; readonly sha256: string | undefined } | undefined;
  readonly format: string;
  /** Where the report goes. */
  readonly out: string;
}

/** Bytes of rows of a sample, as float32. */
export const QUALITY_BYTES = 16 << 20;

/** A worker's task: quantizes the rows of a sample, reads them again, and compares. */
export default function measure(task: QualityTask): Promise<void> {
  return crossing(async () => {
    const { files, quantizer: { file, sha256 } = { file: '' }, format } = task;
    const trained = file === '' ? undefined : (await readTrained(file, { sha256 })).quantizers;
    const fields: Record<string, JsonValue> = {};
    for (const { field, chain } of task.fields) {
      const sample = await mergedSample(files, field, { rows: task.rows, bytes: QUALITY_BYTES });
      if (sample === undefined) {
        fields[field] = { chain, rows_seen: 0 };
        continue;
      }
      const learned = trained?.has(field)
        ? quantizerFor({ field, chain, trains: true }, trained, file ?? '')
        : undefined;
      const quantizer = learned ?? openQuantizer(chain, sample.columns);
      const quality = { ...measureQuality(quantizer, sample.rows) };
      fields[field] = { chain, columns: sample.columns, rows_seen: sample.seen, quality };
    }
    await writeFile(task.out, `${canonicalJson({ format, fields }, 1)}\n`);
  });
}
