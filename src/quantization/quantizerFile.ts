import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { SluiceError } from '../errors.ts';
import { littleEndianBytes } from '../formats/littleEndian.ts';
import { parseSafetensorsHeader } from '../formats/safetensors/read.ts';
import { safetensorsChunks, type TensorData } from '../formats/safetensors/write.ts';
import type { QuantizedFieldName } from '../records.ts';
import {
  learnedTensors,
  openStored,
  parseQuantization,
  QUANTIZATION_KEY,
  type Quantizers,
  quantizationText,
} from './fieldTensors.ts';
import type { Quantizer } from './quantizer.ts';

export const QUANTIZER_FORMAT = 'sluice_quantizer_v1';

/** More than the codebooks and components of any field take. */
const MOST_BYTES = 1 << 30;

/**
 * Quantizers as a safetensors file, chunk by chunk: of each field the tensors `<tensor>.<scheme>.<name>` that it has learned,
 * and in `__metadata__` `format` = `sluice_quantizer_v1` and `quantization`, as files of patches have it.
 *
 * @param facts further entries of `__metadata__`, such as what it was trained on
 */
export function quantizerChunks(quantizers: Quantizers, facts: Readonly<Record<string, string>> = {}): Uint8Array[] {
  const tensors = [...quantizers].flatMap(([field, quantizer]) =>
    learnedTensors(field, quantizer).map(
      ({ values, ...spec }): TensorData => ({ ...spec, chunks: [littleEndianBytes(values)] }),
    ),
  );
  const quantization = quantizationText(
    [...quantizers].map(([field, { chain, columns }]) => ({ field, chain, columns })),
  );
  return [...safetensorsChunks(tensors, { ...facts, format: QUANTIZER_FORMAT, [QUANTIZATION_KEY]: quantization })];
}

/** Writes {@link quantizerChunks} to a file, for `quantize({ quantizer })` and {@link readQuantizers}. */
export async function writeQuantizers(path: string, quantizers: Quantizers): Promise<void> {
  await writeFile(path, quantizerChunks(quantizers));
}

/**
 * Reads quantizers that were trained before.
 *
 *     const { quantizers } = await readQuantizers('out/quantizer/quantizer.safetensors');
 *     quantizers.get('embeddings')?.decode(parts);
 *
 * @throws SluiceError `QUANTIZER_FILE` where it is none, `BAD_QUANTIZATION` and `QUANTIZER_TENSOR` where it contradicts itself,
 *   and `SAFETENSORS_*`
 */
export async function readQuantizers(
  path: string,
): Promise<{ readonly quantizers: Quantizers; readonly sha256: string; readonly bytes: Uint8Array }> {
  const unreadable = (cause: NodeJS.ErrnoException): never => {
    throw badFile(path, `it cannot be read (${cause.code ?? cause.message})`, cause);
  };
  const { size } = await stat(path).catch(unreadable);
  if (size > MOST_BYTES) throw badFile(path, `it has ${size} bytes`);
  const bytes = await readFile(path).catch(unreadable);
  const { metadata, tensors } = parseSafetensorsHeader(bytes, bytes.length, path);
  if (metadata['format'] !== QUANTIZER_FORMAT) throw badFile(path, `its format is '${metadata['format']}'`);
  const read = async (name: string): Promise<Uint8Array> => {
    const { offset = 0, length = 0 } = tensors.get(name) ?? {};
    return bytes.subarray(offset, offset + length);
  };
  const quantizers = new Map<QuantizedFieldName, Quantizer>();
  try {
    for (const { file: _, ...stored } of parseQuantization(metadata[QUANTIZATION_KEY])) {
      quantizers.set(stored.field, await openStored(stored, { tensors, read }, nowhere));
    }
  } catch (cause) {
    if (!(cause instanceof SluiceError)) throw cause;
    const { code, hint, message } = cause;
    throw new SluiceError(`${path}: ${message}`, { code, path, hint, cause });
  }
  return { quantizers, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** What such a file has learned lies in itself. */
async function nowhere(path: string): Promise<never> {
  throw badFile(path, 'a file of quantizers names another one');
}

function badFile(path: string, what: string, cause?: unknown): SluiceError {
  return new SluiceError(`${path} is no quantizer: ${what}`, {
    code: 'QUANTIZER_FILE',
    path,
    cause,
    hint: 'a run with a scheme that learns writes one, quantizer/quantizer.safetensors; so does writeQuantizers',
  });
}
