import { PipelineError } from '../errors.ts';
import type { OptionNames } from '../knownOptions.ts';
import { finish, spread } from './shingle.ts';

/**
 * How a signature is cut: `bands` bands of `rows` components each, from its beginning; what is left over serves the
 * estimate only. Two documents are candidates when they agree in all rows of some band.
 */
export interface Banding {
  readonly bands: number;
  readonly rows: number;
}

export const BANDING_OPTIONS = { bands: true, rows: true } as const satisfies OptionNames<Banding>;

/** Throws PipelineError `BAD_BANDS` where a signature of so many components has no such bands. */
export function requireBanding({ bands, rows }: Banding, components: number): void {
  if (Number.isInteger(bands) && Number.isInteger(rows) && bands >= 1 && rows >= 1 && bands * rows <= components)
    return;
  throw new PipelineError(`a signature of ${components} components has no ${bands} bands of ${rows} rows`, {
    code: 'BAD_BANDS',
    hint: 'bands times rows is at most the number of components',
  });
}

/**
 * The 64-bit keys of a signature's bands, low word first: documents that agree in all rows of a band have the same key
 * there, others have not, but for one pair in 2^64. Keys of different bands never meet, so that they may share one table.
 * With one row a key says no more than the 32 bits of its component.
 */
export function bandKeys(signature: Uint32Array, banding: Banding): Uint32Array {
  requireBanding(banding, signature.length);
  const { bands, rows } = banding;
  const keys = new Uint32Array(2 * bands);
  for (let word = 0; word < keys.length; word++) {
    const first = (word >>> 1) * rows;
    const rowsOfBand = signature.subarray(first, first + rows);
    keys[word] = finish(rowsOfBand.reduce((key, value) => spread(key ^ value), word));
  }
  return keys;
}
