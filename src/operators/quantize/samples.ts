import { float32From, float64From, littleEndianBytes } from '../../formats/littleEndian.ts';
import { readSafetensorsHeader } from '../../formats/safetensors/read.ts';
import { readTensor } from '../../formats/safetensors/readTensor.ts';
import { safetensorsChunks, type TensorData } from '../../formats/safetensors/write.ts';
import type { Link } from '../../quantization/chain.ts';
import { requireFinite } from '../../quantization/codes/finite.ts';
import { type DrawnRows, Reservoir, streamKey } from '../../quantization/sample/reservoir.ts';
import type { Moments as SampleMoments } from '../../quantization/scheme.ts';
import { schemeOf } from '../../quantization/schemes.ts';
import { Moments } from '../../quantization/training/moments.ts';
import type { Patches, QuantizedFieldName } from '../../records.ts';
import { type FieldRows, ofDocument, rowsOf } from './fieldRows.ts';

export const SAMPLE_FORMAT = 'sluice_quantizer_sample_v1';

/** What is drawn of one field. */
export interface Drawing {
  readonly field: QuantizedFieldName;
  /** What it will go through: what does not suit its columns is refused at the first row, not when all have been read. */
  readonly first?: Link | undefined;
  /** Gather means and covariances of all rows as well. */
  readonly moments: boolean;
}

export interface DrawingLimits {
  readonly rows: number;
  /** Of float32. */
  readonly bytes: number;
}

/** Rows that are drawn from the fields of one split. */
export class SplitSamples {
  readonly #drawings: readonly Drawing[];
  readonly #limits: DrawingLimits;
  readonly #key: number;
  readonly #reservoirs = new Map<QuantizedFieldName, Reservoir>();
  readonly #moments = new Map<QuantizedFieldName, Moments>();

  /** @param name of the split: the same rows are drawn of it whenever that is done */
  constructor(drawings: readonly Drawing[], limits: DrawingLimits, seed: number, name: string) {
    this.#drawings = drawings;
    this.#limits = limits;
    this.#key = streamKey(seed, name);
  }

  /**
   * Rows with other columns than those before them are left out: quantizing them fails, and tells of which document they are.
   *
   * @throws PipelineError `BAD_OPTION` where a scheme does not suit the columns
   * @throws SluiceError `QUANTIZE_VALUE` naming the document, where something shall be learned from a number that is not finite
   */
  add(value: Patches): void {
    for (const { field, first, moments } of this.#drawings) {
      const { columns, rows } = rowsOf(value, field);
      if (rows.length === 0) continue;
      let reservoir = this.#reservoirs.get(field);
      if (reservoir === undefined) {
        if (first !== undefined) schemeOf(first.scheme).tensors(first.options, columns);
        reservoir = new Reservoir(columns, capacityOf(this.#limits, columns), this.#key);
        this.#reservoirs.set(field, reservoir);
        if (moments) this.#moments.set(field, new Moments(columns));
      }
      if (reservoir.columns !== columns) continue;
      if (first !== undefined) requireNumbers(value, field, { columns, rows });
      reservoir.add(rows);
      this.#moments.get(field)?.add(rows);
    }
  }

  /** A safetensors file of what was drawn: of each field `<field>.rows`, `.priorities`, `.seen` and `.moments`. */
  chunks(): Uint8Array[] {
    const tensors = [...this.#reservoirs].flatMap(([field, reservoir]): TensorData[] => {
      const { columns, rows, priorities, seen } = reservoir.drawn();
      const moments = this.#moments.get(field)?.bytes;
      return [
        tensor(`${field}.rows`, 'F32', [priorities.length, columns], littleEndianBytes(rows)),
        tensor(`${field}.priorities`, 'F64', [priorities.length], littleEndianBytes(priorities)),
        tensor(`${field}.seen`, 'F64', [1], littleEndianBytes(Float64Array.of(seen))),
        ...(moments === undefined ? [] : [tensor(`${field}.moments`, 'U8', [moments.length], moments)]),
      ];
    });
    return [...safetensorsChunks(tensors, { format: SAMPLE_FORMAT })];
  }
}

function requireNumbers(value: Patches, field: QuantizedFieldName, { columns, rows }: FieldRows): void {
  try {
    requireFinite(rows, columns);
  } catch (error) {
    throw ofDocument(error, field, value);
  }
}

const tensor = (name: string, dtype: TensorData['dtype'], shape: number[], bytes: Uint8Array): TensorData => ({
  name,
  dtype,
  shape,
  chunks: [bytes],
});

const capacityOf = ({ rows, bytes }: DrawingLimits, columns: number): number =>
  Math.max(1, Math.min(rows, Math.floor(bytes / (4 * columns))));

/** What was drawn of a field in all splits together. */
export interface MergedSample extends DrawnRows {
  readonly moments?: SampleMoments | undefined;
}

/**
 * Puts the samples of splits together, one file after the other, those with as many columns as the first; undefined where none
 * has a row of the field.
 */
export async function mergedSample(
  files: readonly string[],
  field: QuantizedFieldName,
  limits: DrawingLimits,
): Promise<MergedSample | undefined> {
  let reservoir: Reservoir | undefined;
  let moments: Moments | undefined;
  for (const file of files) {
    const header = await readSafetensorsHeader(file);
    const read = (name: string): Promise<Uint8Array> => readTensor(file, header, `${field}.${name}`);
    const columns = header.tensors.get(`${field}.rows`)?.shape[1];
    if (columns === undefined || (reservoir !== undefined && columns !== reservoir.columns)) continue;
    reservoir ??= new Reservoir(columns, capacityOf(limits, columns));
    const [seen = 0] = float64From(await read('seen'));
    reservoir.merge({
      columns,
      rows: float32From(await read('rows')),
      priorities: float64From(await read('priorities')),
      seen,
    });
    const gathered = await read('moments');
    if (gathered.length === 0) continue;
    const those = Moments.from(gathered);
    if (moments === undefined) moments = those;
    else moments.merge(those);
  }
  return reservoir && { ...reservoir.drawn(), moments };
}
