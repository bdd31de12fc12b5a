import { SluiceError } from '../errors.ts';
import { isSignal } from '../quantization/fieldTensors.ts';
import type { Patches } from '../records.ts';

/** @throws SluiceError `BAD_PATCHES` where the arrays of a value do not fit each other, or hold numbers that are not finite */
export function checkPatches(value: Patches): void {
  const { lengths, bytes, dim, embeddings, prominence, entropy, coherence, entropies, norms } = value;
  const patches = lengths.length;
  let sum = 0;
  for (const length of lengths) {
    if (length < 1) throw badPatches(value, `a patch of ${length} bytes`);
    sum += length;
  }
  if (sum !== bytes.length) throw badPatches(value, `lengths add up to ${sum}, bytes are ${bytes.length}`);
  if (embeddings.length !== patches * dim)
    throw badPatches(value, `${embeddings.length} embedding values for ${patches} x ${dim}`);
  for (const [name, signal] of Object.entries({ prominence, entropy, coherence })) {
    if (signal.length !== patches) throw badPatches(value, `${signal.length} values of ${name} for ${patches} patches`);
    if (!signal.every(Number.isFinite)) throw badPatches(value, `${name} that is not finite`);
  }
  for (const { field, quantizer, encoded } of value.quantized ?? []) {
    const rows = isSignal(field) ? bytes.length : patches;
    const columns = field === 'embeddings' ? dim : 1;
    if (quantizer.columns !== columns)
      throw badPatches(value, `${field} of ${columns} columns, quantized as ${quantizer.columns}`);
    for (const [i, { name, rowBytes }] of quantizer.parts.entries()) {
      const held = encoded[i]?.length ?? 0;
      if (held !== rows * rowBytes)
        throw badPatches(value, `${held} bytes of ${name} of its ${field}, for ${rows} rows of ${rowBytes}`);
    }
  }
  for (const [name, signal] of Object.entries({ entropies, norms })) {
    // A pipeline may leave these out altogether.
    if (signal.length !== 0 && signal.length !== bytes.length) {
      throw badPatches(value, `${signal.length} ${name} for ${bytes.length} bytes`);
    }
  }
}

/** A value that contradicts itself, or lacks what a sink needs. */
export function badPatches(
  value: Patches,
  what: string,
  hint = 'the operator in front of the sink gives arrays that do not belong together',
): SluiceError {
  const { id, source } = value.segment.document;
  return new SluiceError(`document '${id}' arrives at a sink with ${what}`, {
    code: 'BAD_PATCHES',
    path: source.uri,
    position: source.position,
    hint,
  });
}

/** Whether two values of a flow hold the same fields, quantized in the same way. */
export function sameQuantizers(before: Patches['quantized'] = [], now: Patches['quantized'] = []): boolean {
  if (before === now) return true;
  if (before.length !== now.length) return false;
  return before.every(({ field, quantizer, keep }, i) => {
    const other = now[i];
    return other?.field === field && other.quantizer === quantizer && other.keep === keep;
  });
}
