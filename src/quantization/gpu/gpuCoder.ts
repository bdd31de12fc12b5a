import { DeviceError } from '../../errors.ts';
import type { Gpu } from '../../gpu/index.ts';
import { linearCoderOf } from '../codes/linear.ts';
import type { Quantizer } from '../quantizer.ts';
import { schemeOf } from '../schemes.ts';
import { centroidCoder } from './centroidCoder.ts';
import { LinearDecoder } from './linearDecoder.ts';
import { LinearEncoder } from './linearEncoder.ts';
import { type GpuCoder, type PieceCoder, PiecewiseCoder } from './piecewiseCoder.ts';
import { probeRows } from './probe.ts';

export interface GpuCoderOptions {
  /** Bytes of float32 rows that are worked on at once; three such pieces are under way. Default: 8 MiB. */
  readonly pieceBytes?: number | undefined;
}

/** Whether codes of a quantizer can be made on a GPU. */
export function hasGpuPath(quantizer: Quantizer): boolean {
  return pieceCoderOf(quantizer) !== undefined;
}

/**
 * Puts a quantizer on a GPU. Scales are computed on the CPU, in the place where they always are, out of what the device finds
 * in the rows; codes are the same byte for byte, which is tried out before anything else is encoded.
 *
 * Schemes that add up rows (`pca`, `autoencoder`) have no way on a GPU, for there the last bits of sums depend on the device:
 * a chain with one of them gives undefined. So does a `pq` whose codebooks have numbers below 2^-38 that are no zeros.
 *
 *     const gpu = await Gpu.open();
 *     const coder = await openGpuCoder(gpu, openQuantizer(resolveChain('int8'), 768));
 *     const [codes, scales] = await coder.encode(rows);
 *
 * @throws DeviceError `DEVICE_WRONG` where the device makes other codes than the CPU, `GPU_PROGRAM`, `GPU_MEMORY`, `DEVICE_LOST`
 */
export async function openGpuCoder(
  gpu: Gpu,
  quantizer: Quantizer,
  options: GpuCoderOptions = {},
): Promise<GpuCoder | undefined> {
  const device = pieceCoderOf(quantizer)?.(gpu);
  if (device === undefined) return undefined;
  const opened = new PiecewiseCoder(quantizer, device, options.pieceBytes);
  try {
    await requireSame(opened, quantizer, gpu.info.name);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Of a chain without transforms, what puts its one scheme on a device. */
function pieceCoderOf({ chain, columns, trained }: Quantizer): ((gpu: Gpu) => PieceCoder) | undefined {
  const [{ scheme: name, options }, ...rest] = chain;
  const scheme = schemeOf(name);
  if (rest.length > 0 || scheme.kind !== 'coder') return undefined;
  const own = trained.map((tensor) => ({ ...tensor, name: tensor.name.slice(name.length + 1) }));
  const coder = scheme.open(options, columns, own);
  const codebooks = own.find((tensor) => tensor.name === 'codebooks');
  if (codebooks !== undefined) return centroidCoder(coder, columns, codebooks);
  const linear = linearCoderOf(coder);
  // what is found in all rows at once cannot be found piece by piece
  if (linear === undefined || (linear.linear.from !== 'fixed' && linear.linear.group !== 'block')) return undefined;
  return (gpu) => {
    const [encoder, decoder] = [new LinearEncoder(gpu, linear), new LinearDecoder(gpu, linear)];
    return {
      encode: (rows) => encoder.encode(rows),
      decode: (encoded) => decoder.decode(encoded),
      close: () => {},
    };
  };
}

/** @throws DeviceError `DEVICE_WRONG` */
async function requireSame(coder: GpuCoder, quantizer: Quantizer, device: string): Promise<void> {
  const rows = probeRows(quantizer);
  const encoded = quantizer.encode(rows);
  const found = await coder.encode(rows);
  const isSame =
    encoded.every((bytes, part) => Buffer.compare(bytes, found[part] ?? new Uint8Array()) === 0) &&
    Buffer.compare(bytesOf(quantizer.decode(encoded)), bytesOf(await coder.decode(encoded))) === 0;
  if (isSame) return;
  const schemes = quantizer.chain.map(({ scheme }) => scheme).join(', ');
  throw new DeviceError(`${device} makes other codes or values than the CPU: ${schemes}`, {
    code: 'DEVICE_WRONG',
    hint: 'Use the CPU. A newer driver may help: products of the device are perhaps not rounded to the nearest number.',
  });
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
