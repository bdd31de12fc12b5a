import { PipelineError } from '../errors.ts';

export const methods = ['osmotic', 'energy', 'entropy'] as const;
export type AllocateMethod = (typeof methods)[number];

export interface AllocateOptions {
  /**
   * `osmotic`: shells by prominence, each filled in proportion to its area, to within a fifth.
   * `energy`: the shell whose energy, sqrt(i) + i^1.5, is nearest to the prominence.
   * `entropy`: radii by prominence^2 exp(-entropy / temperature), water-filled up to the outermost shell.
   * Default `osmotic`.
   */
  readonly method?: AllocateMethod | undefined;
  /**
   * `entropy`: nats that cost a factor e. At 1, the default, a patch weighs what the model's mean probability of its bytes
   * (exp(-entropy), one over the perplexity) says; above, entropies count less, and below, the most certain patches take all.
   * `energy`: how far, in energy, a patch spreads over the shells about the nearest; the nearest alone as it goes to 0.
   * From 1e-9 to 1e9. It means nothing to `osmotic`.
   */
  readonly temperature?: number | undefined;
  /** 1 to 65,536. Default 128 for `energy`, else 256. */
  readonly shells?: number | undefined;
  /** Radius of the innermost and of the outermost shell: 0 < rMin < rMax <= 1e18. Default 32 and 512. */
  readonly rMin?: number | undefined;
  readonly rMax?: number | undefined;
  /** `entropy`: how full the room between the two is, above 0 and up to 1: the mean of the patches' shares. Default 0.5. */
  readonly level?: number | undefined;
  /** Where heavy patches go. Default `outward`. */
  readonly direction?: 'outward' | 'inward' | undefined;
}

export type AllocateSettings = { readonly [K in keyof Required<AllocateOptions>]: NonNullable<AllocateOptions[K]> };

/**
 * Options with their defaults.
 * @throws PipelineError `BAD_OPTION` naming what is out of range, or means nothing to the method
 */
export function allocateSettings(options: AllocateOptions = {}): AllocateSettings {
  const { method = 'osmotic', rMin = 32, rMax = 512, level = 0.5, direction = 'outward', temperature = 1 } = options;
  const { shells = method === 'energy' ? 128 : 256 } = options;
  const rules: readonly [boolean, string][] = [
    [methods.includes(method), `method is '${method}'; it is one of ${methods.join(', ')}`],
    [Number.isSafeInteger(shells) && shells >= 1 && shells <= 1 << 16, `shells is ${shells}; it goes from 1 to 65536`],
    [rMin > 0 && rMin < rMax && rMax <= 1e18, `rMin is ${rMin} and rMax ${rMax}; 0 < rMin < rMax <= 1e18`],
    [temperature >= 1e-9 && temperature <= 1e9, `temperature is ${temperature}; it goes from 1e-9 to 1e9`],
    [level > 0 && level <= 1, `level is ${level}; it is above 0 and at most 1`],
    [direction === 'outward' || direction === 'inward', `direction is '${direction}'; it is outward or inward`],
    [
      method !== 'osmotic' || options.temperature === undefined,
      'temperature means nothing to osmotic: it is for energy and entropy',
    ],
    [method === 'entropy' || options.level === undefined, `level means nothing to ${method}: it is for entropy`],
  ];
  const broken = rules.find(([holds]) => !holds);
  if (broken !== undefined) throw new PipelineError(broken[1], { code: 'BAD_OPTION' });
  return { method, temperature, shells, rMin, rMax, level, direction };
}
