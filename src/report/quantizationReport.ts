import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  PATCHES_FORMAT,
  QUANTIZATION_QUALITY_FORMAT,
  QUANTIZED_PATCHES_FORMAT,
  QUANTIZED_SIGNALS_FORMAT,
  SIGNALS_FORMAT,
} from '../formats/names.ts';
import { readSafetensorsHeader } from '../formats/safetensors/read.ts';
import { type Chain, chainText } from '../quantization/chain.ts';
import {
  fieldTensor,
  PATCH_FIELDS,
  parseQuantization,
  partTensor,
  QUANTIZATION_KEY,
  SIGNAL_FIELDS,
  type StoredQuantization,
} from '../quantization/fieldTensors.ts';
import type { Quality } from '../quantization/quality.ts';
import type { QuantizedFieldName } from '../records.ts';
import type { Artefact } from '../sinks/artefact.ts';

/** What an output says of a field that was quantized. */
export interface QuantizationInspection {
  /** Name of its tensor: `embeddings`, `patch_entropies` ... */
  readonly tensor: string;
  /** `pca:64+int8`, for instance. */
  readonly schemes: string;
  /** Numbers in a row, and rows in files. */
  readonly columns: number;
  readonly rows: number;
  /**
   * Bytes that its parts take in all safetensors files, with everything that was learned and lies in them; as float32; and
   * `float_bytes / bytes`. All three are absent where other files alone hold the field: archives, tables, lines.
   */
  readonly bytes?: number;
  readonly float_bytes?: number;
  readonly ratio?: number;
  /** What was measured over a sample behind the run; absent before it has come to its end, and where that was not asked for. */
  readonly quality?: Quality;
}

const PATCH_FILES: readonly unknown[] = [PATCHES_FORMAT, QUANTIZED_PATCHES_FORMAT];
const SIGNAL_FILES: readonly unknown[] = [SIGNALS_FORMAT, QUANTIZED_SIGNALS_FORMAT];

/** Reads what a run has measured, and how many bytes each field takes in safetensors files, where these hold it. */
export async function quantizationOf(
  root: string,
  artefacts: readonly Artefact[],
): Promise<{ quantization?: QuantizationInspection[] }> {
  const fields = new Map<string, Sizes>();
  for (const formats of [PATCH_FILES, SIGNAL_FILES]) {
    for (const { path: file } of artefacts.filter(({ info }) => formats.includes(info.format))) {
      await addSizes(fields, path.join(root, file));
    }
  }
  const measured = await measurements(root, artefacts);
  const stored = [...fields.values()].map(({ stored: { tensor, field, chain, columns }, rows, bytes }) => {
    const float_bytes = 4 * columns * rows;
    const quality = measured.get(field)?.quality;
    measured.delete(field);
    return {
      ...{ tensor, schemes: chainText(chain), columns, rows, bytes, float_bytes, ratio: float_bytes / bytes },
      ...(quality === undefined ? {} : { quality }),
    };
  });
  const others = [...measured].map(([field, { chain, columns, rows_seen: rows, quality }]) => {
    return { tensor: fieldTensor(field), schemes: chainText(chain), columns, rows, quality };
  });
  return stored.length + others.length === 0 ? {} : { quantization: [...stored, ...others] };
}

/** What a run says of a field of which it has seen rows. */
interface Measurement {
  readonly chain: Chain;
  readonly columns: number;
  readonly rows_seen: number;
  readonly quality: Quality;
}

interface Sizes {
  readonly stored: StoredQuantization;
  rows: number;
  bytes: number;
}

async function addSizes(fields: Map<string, Sizes>, file: string): Promise<void> {
  const { metadata, tensors } = await readSafetensorsHeader(file);
  for (const stored of parseQuantization(metadata[QUANTIZATION_KEY])) {
    const sizes = fields.get(stored.tensor) ?? { stored, rows: 0, bytes: 0 };
    fields.set(stored.tensor, sizes);
    const own = [...tensors.values()].filter(({ name }) => name.startsWith(`${stored.tensor}.`));
    const parts = (['codes', 'values'] as const).map((part) => tensors.get(partTensor(stored.field, part)));
    sizes.rows += parts.find((part) => part !== undefined)?.shape[0] ?? 0;
    sizes.bytes += own.reduce((sum, { length }) => sum + length, 0);
  }
}

async function measurements(
  root: string,
  artefacts: readonly Artefact[],
): Promise<Map<QuantizedFieldName, Measurement>> {
  const measured = new Map<QuantizedFieldName, Measurement>();
  for (const { path: file } of artefacts.filter(({ info }) => info.format === QUANTIZATION_QUALITY_FORMAT)) {
    const { fields } = JSON.parse(await readFile(path.join(root, file), 'utf8')) as {
      fields: Partial<Record<QuantizedFieldName, Measurement | { quality?: never }>>;
    };
    for (const field of [...PATCH_FIELDS, ...SIGNAL_FIELDS]) {
      const measurement = fields[field];
      if (measurement?.quality !== undefined) measured.set(field, measurement);
    }
  }
  return measured;
}
