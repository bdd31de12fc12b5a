import { PipelineError } from '../../errors.ts';
import { canonicalJson } from '../../json.ts';
import type { Quantizers } from '../../quantization/fieldTensors.ts';
import type { Quantizer } from '../../quantization/quantizer.ts';
import { readQuantizers } from '../../quantization/quantizerFile.ts';
import type { CommitRecord } from '../../run/commitRecord.ts';
import type { FieldSettings, QuantizeSettings } from './settings.ts';

/** What was trained, where anything was. */
export interface TrainedFile {
  readonly file: string;
  /** Where readers of the output find it, relative to the output folder; absent where it is no part of one. */
  readonly path: string | undefined;
  readonly sha256: string;
  readonly quantizers: Quantizers;
}

/**
 * Reads a file of quantizers, which must be the one that was committed or read before, where its SHA-256 is given.
 * @throws PipelineError `OTHER_QUANTIZER` where it is another
 */
export async function readTrained(
  file: string,
  { path, sha256: wanted }: { readonly path?: string | undefined; readonly sha256?: string | undefined } = {},
): Promise<TrainedFile> {
  const { sha256, quantizers } = await readQuantizers(file);
  if (wanted === undefined || sha256 === wanted) return { file, path, sha256, quantizers };
  throw new PipelineError(
    'the file of quantizers has changed since it was written, or read before: its SHA-256 differs',
    {
      code: 'OTHER_QUANTIZER',
      path: file,
      hint: 'put the one of before back; one within an output can be removed as well, and the same run makes it again',
    },
  );
}

/** SHA-256 of the file that the run has committed; undefined where none is. */
export function committedQuantizer(commit: CommitRecord | undefined, path: string): string | undefined {
  return commit?.artefacts.find((artefact) => artefact.path === path)?.sha256;
}

/**
 * The quantizer of a field out of a file.
 * @throws PipelineError `OTHER_QUANTIZER` where it has none, or one of other schemes
 */
export function quantizerFor({ field, chain }: FieldSettings, quantizers: Quantizers, file: string): Quantizer {
  const found = quantizers.get(field);
  const asked = canonicalJson(chain);
  if (found !== undefined && canonicalJson(found.chain) === asked) return found;
  throw new PipelineError(
    found === undefined
      ? `the quantizer has learned nothing for ${field}`
      : `the quantizer of ${field} is ${canonicalJson(found.chain)}, not ${asked}`,
    { code: 'OTHER_QUANTIZER', path: file, hint: 'ask for the schemes and options that it was trained with' },
  );
}

/** @throws PipelineError `OTHER_QUANTIZER` where a field that learns is not in a file, or in another way */
export function requireAsked(quantizers: Quantizers, { fields }: QuantizeSettings, file: string): void {
  for (const field of fields) if (field.trains) quantizerFor(field, quantizers, file);
}
