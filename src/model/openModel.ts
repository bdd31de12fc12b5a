import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError, PipelineError } from '../errors.ts';
import { fileChunks } from '../formats/fileChunks.ts';
import { sharedPool, workerModule } from '../run/pool.ts';
import { CALIBRATION_FILE } from './calibration.ts';
import { CpuModel } from './cpu/cpuModel.ts';
import { silenceRuntime } from './cpu/session.ts';
import { adaptersOf, type Device, providerOf } from './devices/device.ts';
import type { DeviceModel } from './devices/deviceModel.ts';
import type { DeviceSpec } from './devices/deviceProtocol.ts';
import { requireStamp } from './fileStamp.ts';
import type { GpuWeightForm } from './gpu/weightForm.ts';
import { type ModelFile, readModelFile } from './modelFile.ts';

/** Integer weights are offered from here on. */
const INT8_GAIN = 1.3;
const PROBE = workerModule(import.meta.url, './cpu/int8Probe');

export interface OpenOptions {
  /** Where the model is computed. Default: `cpu`. Numbers of devices differ in their last bits. */
  readonly device?: Device | undefined;
  /** Worker threads of its own, on the CPU. Default: the pool that everything in the process shares. */
  readonly threads?: number | undefined;
  /**
   * Compute with weights as they are, or rounded to fewer bits: faster, not exact. The CPU has `f32` and `int8` (7 bits, row
   * by row), a GPU also `int4` (blocks of 32) and `ternary`. Weights that are kept in fewer bits are rounded once more.
   * Default: `f32`.
   */
  readonly weights?: GpuWeightForm | undefined;
  /**
   * Bytes that decoded layers may take on the CPU, where the file holds no float32. All workers share them. Default: 512
   * MiB; what does not fit is decoded again for every pass, ahead of its use.
   */
  readonly weightCacheBytes?: number | undefined;
  /** Bytes of each GPU's memory to use. Default: 2 GiB. */
  readonly gpuMemoryBytes?: number | undefined;
  /** Time every kernel of a GPU, which makes it slower. Default: false. */
  readonly profile?: boolean | undefined;
}

/** The folder of the model that comes with the package. */
export function defaultModelDir(): string {
  return fileURLToPath(new URL('../../models/tiny', import.meta.url));
}

/**
 * Opens a model folder (`config.json` and `model.safetensors` in the Hub layout, or `model.gguf`) or a GGUF file: checks
 * every tensor's name, shape and type, and hashes the files. On the CPU, workers load the weights when the first document
 * comes. A device loads them at once and is compared with the CPU. Throws ModelError naming file and tensor, or `NO_DEVICE`,
 * `DEVICE_UNAVAILABLE`, `DEVICE_WRONG`; a device never falls back to the CPU.
 *
 *     const model = await openModel(defaultModelDir());
 *     for await (const piece of model.encode(Buffer.from('Hello'))) console.log(piece.entropies);
 */
export async function openModel(
  path: string,
  options?: OpenOptions & { device?: 'cpu' | undefined },
): Promise<CpuModel>;
export async function openModel(path: string, options: OpenOptions): Promise<CpuModel | DeviceModel>;
export async function openModel(path: string, options: OpenOptions = {}): Promise<CpuModel | DeviceModel> {
  const { device = 'cpu', weights = 'f32' } = options;
  requireCounts(options);
  silenceRuntime();
  const specs = specsOf(device, options);
  const file = await readModelFile(resolve(path));
  if (specs.length > 0) {
    const { DeviceModel } = await import('./devices/deviceModel.ts');
    const kind = device.startsWith('webgpu') ? 'webgpu' : device;
    return DeviceModel.open(file, device, specs, (identity) =>
      digest(file, [kind, identity, weights].filter((part) => part !== '' && part !== 'f32').join(' ')),
    );
  }
  if (weights !== 'f32' && weights !== 'int8') throw notThere(weights, device);
  if (weights === 'int8') await requireInt8Gain(file);
  return new CpuModel(file, await digest(file, weights), { ...options, weights });
}

function specsOf(device: Device, { weights = 'f32', gpuMemoryBytes, profile = false }: OpenOptions): DeviceSpec[] {
  const provider = providerOf(device);
  if (provider === undefined) {
    return adaptersOf(device).map((adapter) => ({
      kind: 'webgpu',
      adapter,
      weights,
      memoryBytes: gpuMemoryBytes,
      profile,
    }));
  }
  if (weights !== 'f32') throw notThere(weights, device);
  return [{ kind: 'onnx', provider }];
}

/**
 * Integer weights cost exactness: they are for machines and models where they gain speed.
 * Throws ModelError `INT8_NO_GAIN`.
 */
async function requireInt8Gain({ path, config }: ModelFile): Promise<void> {
  const gain = await sharedPool().run<number>(PROBE, { config });
  if (gain >= INT8_GAIN) return;
  throw new ModelError(
    `int8 weights are ${gain.toFixed(2)} times as fast as f32 here, with a model ${config.dim} wide; they must be ${INT8_GAIN} times.`,
    { code: 'INT8_NO_GAIN', path, hint: 'Use f32 weights, which are exact.' },
  );
}

function notThere(weights: string, device: Device): PipelineError {
  return new PipelineError(`Weights in the form ${weights} are not computed on ${device}.`, {
    code: 'BAD_OPTION',
    hint: 'The CPU computes with f32 and int8, webgpu with f32, int8, int4 and ternary, other devices with f32.',
  });
}

function requireCounts({ threads = 1, weightCacheBytes = 0, gpuMemoryBytes = 1 }: OpenOptions): void {
  if (!Number.isSafeInteger(threads) || threads < 1) {
    throw new PipelineError(`${threads} threads are not possible.`, { code: 'BAD_OPTION', hint: 'At least 1.' });
  }
  if (!(weightCacheBytes >= 0)) {
    throw new PipelineError(`A weight cache of ${weightCacheBytes} bytes is not possible.`, { code: 'BAD_OPTION' });
  }
  if (!(gpuMemoryBytes > 0)) {
    throw new PipelineError(`${gpuMemoryBytes} bytes of GPU memory are not possible.`, { code: 'BAD_OPTION' });
  }
}

/** @param form how it is computed, where bits differ from those of float32 on the CPU */
async function digest({ path, weights }: ModelFile, form: string): Promise<string> {
  const files = [join(path, 'config.json'), weights.path, join(path, CALIBRATION_FILE)];
  const parts = await Promise.all(
    files.filter(existsSync).map(async (file) => {
      const hash = createHash('sha256');
      for await (const chunk of fileChunks(file)) hash.update(chunk);
      return hash.digest('hex');
    }),
  );
  requireStamp(weights.path, weights.stamp);
  return createHash('sha256')
    .update([...parts, ...(form === 'f32' ? [] : [form])].join('\n'))
    .digest('hex');
}
