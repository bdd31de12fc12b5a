import { createHash } from 'node:crypto';
import { PipelineError } from '../errors.ts';
import { isSignal } from '../quantization/fieldTensors.ts';
import { quantizerChunks } from '../quantization/quantizerFile.ts';
import type { JaxField } from './jaxCut.ts';
import { openPlanned, type TableFile } from './tableFiles.ts';

/** Fields of patches that a file keeps in fewer bytes: the same ones in all files of an export. */
export async function storedFieldsOf(file: TableFile | undefined): Promise<readonly JaxField[]> {
  if (file === undefined) return [];
  const { table, close } = await openPlanned(file);
  try {
    // nothing is read of bytes one by one
    return (await table.quantized()).filter(({ field }) => !isSignal(field));
  } finally {
    await close();
  }
}

/** Two files have the same fields in the same form where this is the same. */
export function identityOf(fields: readonly JaxField[]): string {
  const hash = createHash('sha256');
  const quantizers = new Map(fields.map(({ field, quantizer }) => [field, quantizer]));
  for (const chunk of quantizerChunks(quantizers)) hash.update(chunk);
  return hash.update(fields.map(({ field, keep }) => `${field} ${keep}`).join()).digest('hex');
}

/**
 * Requires of files what the first of all has.
 * @throws PipelineError `MIXED_QUANTIZERS`
 */
export async function requireSameFields(files: readonly TableFile[], fields: readonly JaxField[]): Promise<void> {
  const wanted = identityOf(fields);
  for (const file of files) {
    const own = await storedFieldsOf(file);
    const isSame =
      own.length === fields.length &&
      own.every((one, i) => one.quantizer === fields[i]?.quantizer && one.keep === fields[i]?.keep);
    if (isSame || identityOf(own) === wanted) continue;
    throw new PipelineError(`'${file.path}' is quantized in another way than the files before it`, {
      code: 'MIXED_QUANTIZERS',
      path: file.path,
      hint: 'export what was quantized in different ways apart, or without --as-stored',
    });
  }
}

/** Bytes of what schemes have learned. */
export function learnedBytes(fields: readonly JaxField[]): number {
  const sizes = fields.flatMap(({ quantizer }) => quantizer.trained.map(({ values }) => values.byteLength));
  return sizes.reduce((sum, size) => sum + size, 0);
}
