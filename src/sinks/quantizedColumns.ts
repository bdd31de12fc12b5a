import { PipelineError } from '../errors.ts';
import { littleEndianBytes } from '../formats/littleEndian.ts';
import type { TensorData } from '../formats/safetensors/write.ts';
import {
  chainName,
  isSignal,
  learnedTensors,
  partTensors,
  QUANTIZATION_KEY,
  quantizationText,
  type StoredQuantization,
} from '../quantization/fieldTensors.ts';
import type { Patches, QuantizedField, QuantizedFieldName } from '../records.ts';
import type { Artefact } from './artefact.ts';
import { ChunkList, chained } from './chunkList.ts';
import type { PatchSlice } from './shardCut.ts';

/** A quantized field of all patches so far. */
export interface QuantizedColumn extends Omit<QuantizedField, 'encoded'> {
  /** Where what was learned lies; absent where nothing was, or it goes into the same file. */
  readonly file: StoredQuantization['file'];
  /** For each of `quantizer.parts` the bytes of all rows. */
  readonly encoded: readonly ChunkList[];
}

/** How a sink keeps what schemes have learned. */
export interface LearnedPlace {
  /** Name of the sink, for messages. */
  readonly sink: string;
  /** `file`: in every file that it writes. `reference`: by the name of the quantizer file of the run. */
  readonly learned: 'file' | 'reference';
}

/**
 * Columns for what is quantized of a flow, by its first value.
 * @throws PipelineError `QUANTIZER_FILE` where files have to name the file of the quantizer, and there is none
 */
export function openQuantized(
  { quantized = [] }: Patches,
  fields: readonly QuantizedFieldName[],
  { sink, learned }: LearnedPlace,
): QuantizedColumn[] {
  return quantized
    .filter(({ field }) => fields.includes(field))
    .map(({ field, quantizer, keep }) => {
      const refers = learned === 'reference' && quantizer.trained.length > 0;
      if (refers && quantizer.file === undefined) throw noFile(field, chainName(quantizer.chain), sink);
      const encoded = quantizer.parts.map(() => new ChunkList());
      return { field, quantizer, keep, file: refers ? quantizer.file : undefined, encoded };
    });
}

/** Adds the rows of a slice: those of its patches, or of its bytes. */
export function addQuantized(columns: readonly QuantizedColumn[], slice: PatchSlice): void {
  for (const { field, quantizer, encoded } of columns) {
    const given = slice.value.quantized?.find((quantized) => quantized.field === field)?.encoded;
    const [from, to] = isSignal(field) ? [slice.byteFrom, slice.byteTo] : [slice.from, slice.to];
    for (const [i, { rowBytes }] of quantizer.parts.entries()) {
      const bytes = given?.[i]?.subarray(from * rowBytes, to * rowBytes);
      if (bytes !== undefined) encoded[i]?.append(bytes);
    }
  }
}

/** Whether the float32 values of a field are not written. */
export function isLeftOut(
  columns: readonly Pick<QuantizedField, 'field' | 'keep'>[],
  field: QuantizedFieldName,
): boolean {
  return columns.some((column) => column.field === field && !column.keep);
}

function storedOf(columns: readonly QuantizedColumn[]) {
  return columns.map(({ field, quantizer: { chain, columns: width }, file }) => ({
    field,
    chain,
    columns: width,
    file,
  }));
}

/** The entry of a file's metadata; none where nothing is quantized. */
export function quantizationMetadata(columns: readonly QuantizedColumn[]): Record<string, string> {
  return columns.length === 0 ? {} : { [QUANTIZATION_KEY]: quantizationText(storedOf(columns)) };
}

/** What the facts about an artefact say; nothing where nothing is quantized. */
export function quantizedInfo(columns: readonly QuantizedColumn[]): Artefact['info'] {
  if (columns.length === 0) return {};
  return { quantized: Object.fromEntries(columns.map(({ field, quantizer }) => [field, chainName(quantizer.chain)])) };
}

/** The tensors of quantized fields, of all documents of a shard one behind the other, and what was learned. */
export function quantizedTensors(
  kept: readonly { readonly quantized: readonly QuantizedColumn[] }[],
  rows: { readonly patches: number; readonly bytes: number },
): TensorData[] {
  const columns = kept[0]?.quantized ?? [];
  return columns.flatMap(({ field, quantizer, file }, c) => {
    const specs = partTensors(field, quantizer, isSignal(field) ? rows.bytes : rows.patches);
    const parts = specs.map((spec, i): TensorData => {
      return { ...spec, chunks: chained(kept.map(({ quantized }) => quantized[c]?.encoded[i] ?? [])) };
    });
    const learned = file === undefined ? learnedTensors(field, quantizer) : [];
    return [
      ...parts,
      ...learned.map(({ values, ...spec }): TensorData => ({ ...spec, chunks: [littleEndianBytes(values)] })),
    ];
  });
}

function noFile(field: QuantizedFieldName, chain: string, sink: string): PipelineError {
  return new PipelineError(
    `${sink} cannot write ${field} quantized by ${chain}: its files name that of the quantizer, and there is none`,
    {
      code: 'QUANTIZER_FILE',
      hint: 'quantize() in a run writes one; elsewhere set `file` of the quantizer, or use shards of safetensors(), which hold it',
    },
  );
}
