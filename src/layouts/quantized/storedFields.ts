import { SluiceError } from '../../errors.ts';
import type { SafetensorsHeader } from '../../formats/safetensors/read.ts';
import { parseQuantization, QUANTIZATION_KEY, type StoredQuantization } from '../../quantization/fieldTensors.ts';
import type { QuantizedFieldName } from '../../records.ts';

/** Characters of the JSON; five fields take some hundred each. */
const MOST_TEXT = 1 << 16;

/** Fields that a file holds quantized, by its metadata. Nothing of it has been compared with tensors. */
export type StoredFields = ReadonlyMap<QuantizedFieldName, StoredQuantization>;

/**
 * Reads what a file says of its quantized fields; most files say nothing.
 * @throws SluiceError `BAD_QUANTIZATION` for anything but what sluice writes
 */
export function storedFields({ metadata }: SafetensorsHeader, path: string): StoredFields {
  const text = metadata[QUANTIZATION_KEY];
  if (text === undefined) return new Map();
  if (text.length > MOST_TEXT) throw badQuantization(path, `it says ${text.length} characters of its quantization`);
  const stored = within(path, '', () => parseQuantization(text));
  for (const { field, columns } of stored) {
    if (field !== 'embeddings' && columns !== 1)
      throw badQuantization(path, `${field} has ${columns} columns, and 1 at most`);
  }
  return new Map(stored.map((one) => [one.field, one]));
}

/**
 * Has errors of quantizers name the file; what a file has made JavaScript itself refuse is an error of the file.
 * @param what part of the file it is about
 * @throws SluiceError with the code that it had
 */
export function within<T>(path: string, what: string, work: () => T): T {
  const place = what === '' ? '' : `${what}: `;
  try {
    return work();
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof TypeError)
      throw badQuantization(path, `${place}${cause.message}`, cause);
    if (!(cause instanceof SluiceError)) throw cause;
    const { message, hint } = cause;
    const code = cause.code === 'BAD_OPTION' || cause.code === 'UNKNOWN_OPTION' ? 'BAD_QUANTIZATION' : cause.code;
    throw new SluiceError(`'${path}': ${place}${message}`, { code, path, hint, cause });
  }
}

function badQuantization(path: string, what: string, cause?: unknown): SluiceError {
  return new SluiceError(`'${path}': ${what}`, {
    code: 'BAD_QUANTIZATION',
    path,
    cause,
    hint: 'the file was damaged, or written by another version of sluice',
  });
}
