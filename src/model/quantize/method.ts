import { UsageError } from '../../errors.ts';
import type { BlockType } from '../../kernels/blocks/layout.ts';
import { isBlocked } from '../quantized/layout.ts';
import { QUANTIZED_TYPES, type QuantizedType } from '../quantized/matrix.ts';

/** Types of ggml, and plain floats: what GGUF files hold. */
export const GGUF_TYPES = {
  q8_0: 'Q8_0',
  q6_k: 'Q6_K',
  q4_k: 'Q4_K',
  f16: 'F16',
  bf16: 'BF16',
  f32: 'F32',
} as const satisfies Record<string, BlockType>;

export type GgufTarget = keyof typeof GGUF_TYPES;
export type QuantizeTarget = QuantizedType | GgufTarget;

/** Everything that weights can be quantized to. */
export const QUANTIZE_TARGETS: readonly QuantizeTarget[] = [
  ...QUANTIZED_TYPES,
  ...(Object.keys(GGUF_TYPES) as GgufTarget[]),
];

/** How scales and codes are found. */
export const QUANTIZE_METHODS = ['minmax', 'percentile', 'mse', 'awq', 'gptq'] as const;

export type QuantizeMethod = (typeof QUANTIZE_METHODS)[number];

/** What the types of ggml are written with: their encoders search scales of least squared error, and know nothing else. */
export type ChosenMethod = QuantizeMethod | 'ggml';

export const isGgufTarget = (target: QuantizeTarget): target is GgufTarget => target in GGUF_TYPES;

/**
 * The method that is used for a type: the one that was asked for. Otherwise `mse`, and where there is text to calibrate on
 * `gptq` for 4 bits and `awq` for 8, which measured better (docs/quantization/models.md); for `ternary` nothing did.
 *
 * @throws UsageError `BAD_FLAG` for a method that the type does not have, or that needs text
 */
export function chosenMethod(
  target: QuantizeTarget,
  asked: QuantizeMethod | undefined,
  hasText: boolean,
): ChosenMethod {
  if (isGgufTarget(target)) {
    if (asked === undefined) return 'ggml';
    const why =
      target.endsWith('16') || target === 'f32'
        ? 'weights are rounded to the nearest'
        : 'its encoder searches scales of least squared error';
    throw refused(asked, target, `leave --method out: ${why}`);
  }
  const method = asked ?? (hasText ? calibratedMethod(target) : 'mse');
  if (method === 'gptq' && !isBlocked(target)) {
    throw refused(
      method,
      target,
      `gptq rounds to int4 and int4-64; take --method ${target === 'ternary' ? 'mse' : 'awq or mse'}`,
    );
  }
  if ((method === 'awq' || method === 'gptq') && !hasText) {
    throw new UsageError(`--method ${method} looks at what the weights are multiplied with, so it needs text`, {
      code: 'BAD_FLAG',
      hint: 'add --calibrate FILE..., text of the kind that will be patched',
    });
  }
  return method;
}

function calibratedMethod(target: QuantizedType): QuantizeMethod {
  if (target === 'ternary') return 'mse';
  return isBlocked(target) ? 'gptq' : 'awq';
}

function refused(method: QuantizeMethod, target: QuantizeTarget, hint: string): UsageError {
  return new UsageError(`--to ${target} has no method ${method}`, { code: 'BAD_FLAG', hint });
}

/** Whether a method changes weights by what they are multiplied with. */
export const usesText = (method: ChosenMethod): method is 'awq' | 'gptq' => method === 'awq' || method === 'gptq';
