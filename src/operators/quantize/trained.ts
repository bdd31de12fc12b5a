import { PipelineError } from '../../errors.ts';
import { canonicalJson, type JsonValue } from '../../json.ts';
import type { Quantizer } from '../../quantization/quantizer.ts';
import type { Quantizers } from '../../quantization/quantizerFile.ts';
import type { FieldSettings, QuantizeSettings } from './settings.ts';

/**
 * The quantizer of a field out of a file.
 * @throws PipelineError `OTHER_QUANTIZER` where it has none, or one of other schemes
 */
export function quantizerFor({ field, chain }: FieldSettings, quantizers: Quantizers, file: string): Quantizer {
  const found = quantizers.get(field);
  const asked = canonicalJson(chain as unknown as JsonValue);
  if (found !== undefined && canonicalJson(found.chain as unknown as JsonValue) === asked) return found;
  throw new PipelineError(
    found === undefined
      ? `the quantizer has learned nothing for ${field}`
      : `the quantizer of ${field} is ${canonicalJson(found.chain as unknown as JsonValue)}, not ${asked}`,
    { code: 'OTHER_QUANTIZER', path: file, hint: 'ask for the schemes and options that it was trained with' },
  );
}

/** @throws PipelineError `OTHER_QUANTIZER` where a field that learns is not in a file, or in another way */
export function requireAsked(quantizers: Quantizers, { fields }: QuantizeSettings, file: string): void {
  for (const field of fields) if (field.trains) quantizerFor(field, quantizers, file);
}
