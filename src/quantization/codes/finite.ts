import { SluiceError } from '../../errors.ts';

/**
 * Refuses NaN and infinities. Plain: called when a faster look has found one, or where rows are few.
 *
 * @param firstRow number of the first row, for the message
 * @throws SluiceError `QUANTIZE_VALUE` naming row and column
 */
export function requireFinite(rows: Float32Array, columns: number, firstRow = 0): void {
  for (let at = 0; at < rows.length; at++) {
    const value = rows[at] ?? 0;
    if (Number.isFinite(value)) continue;
    const column = at % columns;
    throw new SluiceError(`row ${firstRow + (at - column) / columns}, column ${column}: ${value} has no code`, {
      code: 'QUANTIZE_VALUE',
      hint: 'only finite numbers can be quantized; find out where this one comes from',
    });
  }
}
