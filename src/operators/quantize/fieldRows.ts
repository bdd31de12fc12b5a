import { PipelineError, SluiceError } from '../../errors.ts';
import { isSignal } from '../../quantization/fieldTensors.ts';
import type { Patches, QuantizedFieldName } from '../../records.ts';

/** The rows of a field: `dim` columns for embeddings, one for signals. */
export interface FieldRows {
  readonly columns: number;
  /** f32[rows, columns]. */
  readonly rows: Float32Array;
}

/** @throws PipelineError `NOTHING_TO_QUANTIZE` where the value lacks the field */
export function rowsOf(value: Patches, field: QuantizedFieldName): FieldRows {
  const rows = value[field];
  const wanted = isSignal(field) ? value.bytes.length : value.lengths.length;
  if (field === 'embeddings') {
    if (value.dim > 0) return { columns: value.dim, rows };
  } else if (rows.length === wanted) return { columns: 1, rows };
  throw new PipelineError(`patches come to quantize without ${field}`, {
    code: 'NOTHING_TO_QUANTIZE',
    path: value.segment.document.source.uri,
    position: value.segment.document.source.position,
    hint:
      field === 'embeddings'
        ? 'embed({ preNorm: false }) leaves them out'
        : 'patch({ keepSignals: false }) leaves them out',
  });
}

/** What is wrong with the rows of a document, told with its name and place; other errors as they are. */
export function ofDocument(error: unknown, field: QuantizedFieldName, { segment }: Patches): unknown {
  if (!(error instanceof SluiceError)) return error;
  const { id, source } = segment.document;
  const { code, hint } = error;
  const details = { code, hint, path: source.uri, position: source.position, cause: error };
  return new SluiceError(`${field} of document '${id}': ${error.message}`, details);
}
