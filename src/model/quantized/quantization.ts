import { ModelError } from '../../errors.ts';
import type { JsonValue } from '../../json.ts';
import { isQuantizedType } from './layout.ts';
import { QUANTIZED_TYPES, type QuantizedType } from './matrix.ts';

/** The member `quantization` of a model folder's `config.json`: what readers of the Hub layout ignore. */
export interface Quantization {
  /** Of all weights that are kept in fewer bits. */
  readonly type: QuantizedType;
  /** How codes and scales were found, such as `min-max` or `awq`. */
  readonly method: string;
  /** Whatever else is to be known of how the folder was made; no reader needs it. */
  readonly [more: string]: JsonValue;
}

/**
 * The type that a parsed `config.json` gives for the weights beside it; undefined where it has no member `quantization`.
 *
 * @throws ModelError `MODEL_CONFIG` for a member without a known type
 */
export function quantizedTypeOf(config: unknown, path?: string): QuantizedType | undefined {
  const quantization = member(config, 'quantization') ?? undefined;
  if (quantization === undefined) return undefined;
  const type = member(quantization, 'type');
  if (isQuantizedType(type)) return type;
  throw new ModelError(`quantization.type in config.json is ${JSON.stringify(type ?? null)}, which is not known.`, {
    code: 'MODEL_CONFIG',
    path,
    hint: `sluice reads ${QUANTIZED_TYPES.join(', ')}, as sluice quantize writes them.`,
  });
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
