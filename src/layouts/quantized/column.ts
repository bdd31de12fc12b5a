import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { float32From } from '../../formats/littleEndian.ts';
import type { SafetensorsHeader, TensorEntry } from '../../formats/safetensors/read.ts';
import {
  partTensor,
  quantizationText,
  requireParts,
  type StoredQuantization,
} from '../../quantization/fieldTensors.ts';
import { openQuantizer, type Quantizer } from '../../quantization/quantizer.ts';
import type { TrainedTensor } from '../../quantization/scheme.ts';
import { badLayout } from '../layout.ts';
import { within } from './storedFields.ts';

/** Rows of a field that a file holds quantized. */
export interface QuantizedColumn {
  readonly stored: StoredQuantization;
  readonly quantizer: Quantizer;
  readonly rows: number;
  /** One tensor for each of `quantizer.parts`. */
  readonly parts: readonly TensorEntry[];
}

/** Bytes of a file. */
export type ByteRange = readonly [start: number, end: number];

/** What schemes have learned, and a name that nothing else has: it is looked at where no quantizer was made of it before. */
export interface Learned {
  readonly key: string;
  tensors(): readonly TrainedTensor[];
}

/** More than codebooks and components of any field take. */
const MOST_TRAINED = 1 << 30;

/**
 * The tensors of a file that hold what the schemes of a field have learned.
 * @throws SluiceError `QUANTIZER_TENSOR` for a wrong type, and where they are larger than any such
 */
export function trainedEntries(
  { field, chain }: StoredQuantization,
  header: SafetensorsHeader,
  path: string,
): TensorEntry[] {
  const prefixes = chain.map(({ scheme }) => partTensor(field, `${scheme}.`));
  const entries = [...header.tensors.values()].filter((entry) => prefixes.some((it) => entry.name.startsWith(it)));
  const wrong = entries.find(({ dtype }) => dtype !== 'F32');
  if (wrong !== undefined)
    throw badLayout(path, 'QUANTIZER_TENSOR', `has ${wrong.name} as ${wrong.dtype}, and it should be F32`);
  const bytes = entries.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= MOST_TRAINED) return entries;
  throw badLayout(path, 'QUANTIZER_TENSOR', `has ${bytes} bytes of what the schemes of ${field} should have learned`);
}

/**
 * What such tensors say.
 * @param contents their bytes
 * @param sha256 of the file that they are of, where it is known
 */
export function learnedFrom(
  { tensor }: StoredQuantization,
  entries: readonly TensorEntry[],
  contents: readonly Uint8Array[],
  sha256 = hashOf(entries, contents),
): Learned {
  return {
    key: sha256,
    tensors: () =>
      entries.map((entry, i) => ({
        name: entry.name.slice(tensor.length + 1),
        shape: entry.shape,
        values: float32From(contents[i] ?? new Uint8Array(0)),
      })),
  };
}

function hashOf(entries: readonly TensorEntry[], contents: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const [i, { name, shape }] of entries.entries()) {
    hash.update(`${name} ${shape.join()}\n`).update(contents[i] ?? '');
  }
  return hash.digest('hex');
}

/**
 * Quantizers that were opened before, by what they are made of: samples of an archive have thousands of equal ones, and
 * values of a flow share one.
 */
const opened = new LRUCache<string, Quantizer>({ max: 64, maxSize: MOST_TRAINED + (64 << 20) });

function quantizerOf({ field, chain, columns }: StoredQuantization, learned: Learned): Quantizer {
  const key = `${quantizationText([{ field, chain, columns }])} ${learned.key}`;
  const known = opened.get(key);
  if (known !== undefined) return known;
  const trained = learned.tensors();
  const quantizer = openQuantizer(chain, columns, trained);
  opened.set(key, quantizer, { size: trained.reduce((sum, { values }) => sum + values.byteLength, 4096) });
  return quantizer;
}

/**
 * Opens a field for reading: its parts must be there as its schemes write them, with as many rows as one another.
 * @throws SluiceError `BAD_QUANTIZATION` where parts are missing or misshapen, or schemes do not suit the columns,
 *   `QUANTIZER_TENSOR` where something learned is missing or misshapen
 */
export function openColumn(
  stored: StoredQuantization,
  header: SafetensorsHeader,
  learned: Learned,
  path: string,
): QuantizedColumn {
  return within(path, stored.field, () => {
    const quantizer = quantizerOf(stored, learned);
    const entries = quantizer.parts.map(({ name }) => header.tensors.get(partTensor(stored.field, name)));
    const rows = entries[0]?.shape[0] ?? 0;
    requireParts(stored, quantizer, rows, header.tensors);
    return { stored, quantizer, rows, parts: entries.filter((entry) => entry !== undefined) };
  });
}

/** Where rows [from, to) lie, part by part. */
export function partRanges({ parts, quantizer }: QuantizedColumn, from: number, to: number): ByteRange[] {
  return parts.map(({ offset }, i) => {
    const { rowBytes = 0 } = quantizer.parts[i] ?? {};
    return [offset + from * rowBytes, offset + to * rowBytes];
  });
}

/**
 * f32[rows, columns] of what lies there.
 * @param from number of the first row, for messages
 * @throws SluiceError `QUANTIZE_CODE` for codes that no encoder gives
 */
export function decodedRows(
  { stored, quantizer }: QuantizedColumn,
  encoded: readonly Uint8Array[],
  from: number,
  path: string,
): Float32Array<ArrayBuffer> {
  return within(path, `${stored.field} from row ${from} on`, () => quantizer.decode(encoded));
}
