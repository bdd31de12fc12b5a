import { PipelineError } from '../errors.ts';
import { isDevice } from './devices/device.ts';
import { hasGpu } from './gpu/gpuProbe.ts';
import { GPU_WEIGHT_FORMS } from './gpu/weightForm.ts';
import type { OpenOptions } from './openModel.ts';

/** How a model is run, as a pipeline or a command line says it. */
export interface ModelSettings {
  readonly device?: string | undefined;
  readonly weights?: string | undefined;
  /** Bytes that decoded layers may take. */
  readonly weightCacheBytes?: number | undefined;
  /** Bytes of each GPU's memory to use. */
  readonly gpuMemoryBytes?: number | undefined;
  /** Time every kernel of a GPU. */
  readonly profile?: boolean | undefined;
  /** It takes the place of a device that was lost, and must compute the same but for rounding. */
  readonly standsIn?: boolean | undefined;
}

/**
 * Checks how a model shall be opened; what the run says goes before what a stage was told. `auto` is a GPU, if there is one
 * that is no program on the CPU, else the CPU. Throws PipelineError `BAD_OPTION`.
 */
export function openOptions(stage: ModelSettings, run: ModelSettings = {}): OpenOptions {
  const asked = run.device ?? stage.device ?? 'auto';
  const device = asked === 'auto' ? (hasGpu() ? 'webgpu' : 'cpu') : asked;
  if (!isDevice(device)) {
    throw unknown(
      `There is no device ${JSON.stringify(device)}.`,
      'auto, cpu, webgpu, webgpu:software, webgpu:<part of an adapter name>, several of those with commas, or onnx:<provider>; see `sluice doctor`',
    );
  }
  const name = run.weights ?? stage.weights ?? 'f32';
  const weights = GPU_WEIGHT_FORMS.find((form) => form === name);
  if (weights === undefined) {
    throw unknown(`There are no weights ${JSON.stringify(name)}.`, GPU_WEIGHT_FORMS.join(', '));
  }
  if (run.standsIn && weights !== 'f32') {
    throw new PipelineError(`The device was lost, and ${device} has no weights like its ${weights}.`, {
      code: 'NO_STAND_IN',
      hint: 'Run again to resume, once the device works.',
    });
  }
  const where = asked === 'auto' && device === 'cpu' ? `${device}, which auto means here` : device;
  if (device === 'cpu' && weights !== 'f32' && weights !== 'int8') {
    throw unknown(`There are no weights ${JSON.stringify(name)} on ${where}.`, FEW_BITS_ON_CPU);
  }
  if (device.startsWith('onnx:') && weights !== 'f32') {
    throw unknown(`There are no weights ${JSON.stringify(name)} on ${device}.`, 'f32');
  }
  const profile = run.profile ?? stage.profile;
  if (profile && !device.startsWith('webgpu')) {
    throw unknown(
      `There are no times of kernels on ${where}.`,
      'A profile is of a GPU: --device webgpu. `sluice doctor` says which there is, or why there is none.',
    );
  }
  return {
    device,
    weights,
    weightCacheBytes: run.weightCacheBytes ?? stage.weightCacheBytes,
    gpuMemoryBytes: run.gpuMemoryBytes ?? stage.gpuMemoryBytes,
    profile,
  };
}

const FEW_BITS_ON_CPU =
  'f32 or int8: fewer bits are slower than int8 on a CPU, and far less exact. To save memory, use a model that is kept in fewer bits: sluice quantize.';

function unknown(message: string, hint: string): PipelineError {
  return new PipelineError(message, { code: 'BAD_OPTION', hint });
}
