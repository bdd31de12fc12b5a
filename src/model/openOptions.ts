import { PipelineError } from '../errors.ts';
import type { OpenOptions } from './cpu/cpuModel.ts';
import { isDevice } from './cpu/providers/backends.ts';

/** How a model is run, as a pipeline or a command line says it. */
export interface ModelSettings {
  readonly device?: string | undefined;
  readonly weights?: string | undefined;
  /** Bytes that decoded layers may take. */
  readonly weightCacheBytes?: number | undefined;
}

const WEIGHTS = ['f32', 'int8'] as const;

/**
 * Checks how a model shall be opened; what the run says goes before what a stage was told.
 * Throws PipelineError `BAD_OPTION`.
 */
export function openOptions(stage: ModelSettings, run: ModelSettings = {}): OpenOptions {
  const asked = run.device ?? stage.device ?? 'auto';
  const device = asked === 'auto' ? 'cpu' : asked;
  if (!isDevice(device))
    throw unknown(
      `There is no device ${JSON.stringify(device)}.`,
      'auto, cpu, or onnx:<provider>; see `sluice doctor`',
    );
  const name = run.weights ?? stage.weights ?? 'f32';
  const weights = WEIGHTS.find((form) => form === name);
  if (weights === undefined)
    throw unknown(`There are no weights ${JSON.stringify(name)}.`, name === 'int4' ? NO_INT4 : WEIGHTS.join(', '));
  return { device, weights, weightCacheBytes: run.weightCacheBytes ?? stage.weightCacheBytes };
}

const NO_INT4 =
  'f32 or int8: 4-bit weights are slower than int8 on a CPU, and far less exact. To save memory, use a Q4_K model file.';

function unknown(message: string, hint: string): PipelineError {
  return new PipelineError(message, { code: 'BAD_OPTION', hint });
}
