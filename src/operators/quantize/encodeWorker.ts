import type { Quantizers } from '../../quantization/fieldTensors.ts';
import type { QuantizedFieldName } from '../../records.ts';
import { crossing } from '../../run/crossing.ts';
import { moving } from '../../run/pool.ts';
import { readTrained } from './trained.ts';

export interface EncodeTask {
  /** File of what was trained. */
  readonly file: string;
  readonly sha256: string;
  readonly field: QuantizedFieldName;
  readonly rows: Float32Array<ArrayBuffer>;
}

/** The quantizers that were asked for last: a run has those of one file. */
let last: { readonly sha256: string; readonly quantizers: Quantizers } | undefined;

/** A worker's task: encodes rows by what was trained, and moves what comes of them. */
export default function encode({ file, sha256, field, rows }: EncodeTask): Promise<unknown> {
  return crossing(async () => {
    if (last?.sha256 !== sha256) {
      const { quantizers } = await readTrained(file, { sha256 });
      last = { sha256, quantizers };
    }
    const quantizer = last.quantizers.get(field);
    if (quantizer === undefined) throw new RangeError(`${file} has no quantizer of ${field}`);
    const encoded = quantizer.encode(rows);
    return moving(
      encoded,
      encoded.map(({ buffer }) => buffer),
    );
  });
}
