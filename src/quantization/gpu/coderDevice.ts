import { DeviceError } from '../../errors.ts';
import { adaptersOf, isDevice } from '../../model/devices/device.ts';
import type { Quantizer } from '../quantizer.ts';
import type { Encoded } from '../scheme.ts';
import { CoderProcess, type CoderProcessOptions } from './coderProcess.ts';
import type { CoderReply, CoderRequest } from './coderProtocol.ts';
import { hasGpuPath } from './gpuCoder.ts';
import { type GpuCoder, type PieceCoder, PiecewiseCoder, Undecided } from './piecewiseCoder.ts';

/** A quantizer on GPUs that have processes of their own. */
export interface CoderDevice extends GpuCoder {
  /** Gives it up; a process ends with the last quantizer that it has. What is under way fails. */
  close(): Promise<void>;
}

/**
 * Puts a quantizer on GPUs, each in a process of its own, since a driver that fails takes its process along. Quantizers on the
 * same device share its process. What it encodes is byte for byte what the quantizer does: where a device is lost, whoever
 * waits gets DeviceError, and can go on with the quantizer itself.
 *
 *     const coder = await openCoderDevice('webgpu', quantizer);
 *     const encoded = coder === undefined ? quantizer.encode(rows) : await coder.encode(rows);
 *
 * Undefined where there is nothing to gain: for devices that are no GPUs, and for chains that have no way on one, as
 * {@link openGpuCoder} tells.
 *
 * @param device as `--device` names it: `webgpu`, `webgpu:<part of a name>`, several with commas between
 * @throws DeviceError `DEVICE_UNAVAILABLE` where there is no such GPU, `DEVICE_WRONG` where it makes other codes than the CPU
 */
export async function openCoderDevice(
  device: string,
  quantizer: Quantizer,
  options: CoderProcessOptions = {},
): Promise<CoderDevice | undefined> {
  const adapters = isDevice(device) ? adaptersOf(device) : [];
  if (adapters.length === 0 || !hasGpuPath(quantizer)) return undefined;
  const names = device.split(',');
  const opening = adapters.map((adapter, i) => {
    const name = names[i] ?? device;
    return RemoteCoder.open(
      sharedProcess(name, () => new CoderProcess(name, adapter, options)),
      quantizer,
    );
  });
  const outcomes = await Promise.allSettled(opening);
  const coders = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue;
    await Promise.all(coders.map((coder) => coder.close()));
    throw outcome.reason;
  }
  const leastLoaded = (): RemoteCoder => coders.reduce((least, one) => (one.load < least.load ? one : least));
  const close = async (): Promise<void> => {
    await Promise.all(coders.map((coder) => coder.close()));
  };
  const pieces = new PiecewiseCoder(quantizer, {
    encode: (rows) => leastLoaded().encode(rows),
    decode: (encoded) => leastLoaded().decode(encoded),
    close,
  });
  return {
    encode: (rows) => pieces.encode(rows),
    decode: (encoded) => pieces.decode(encoded),
    close,
  };
}

/** A process, and the quantizers that it has. */
interface Shared {
  readonly process: CoderProcess;
  users: number;
}

const processes = new Map<string, Shared>();

function sharedProcess(name: string, start: () => CoderProcess): Shared {
  const running = processes.get(name);
  const shared = running === undefined || running.process.lost !== undefined ? { process: start(), users: 0 } : running;
  processes.set(name, shared);
  shared.users++;
  return shared;
}

async function release(shared: Shared): Promise<void> {
  shared.users--;
  if (shared.users > 0) return;
  if (processes.get(shared.process.name) === shared) processes.delete(shared.process.name);
  await shared.process.close();
}

/** A quantizer in a process. */
class RemoteCoder implements PieceCoder {
  readonly #shared: Shared;
  readonly #coder: number;
  #closed = false;

  private constructor(shared: Shared, coder: number) {
    this.#shared = shared;
    this.#coder = coder;
  }

  static async open(shared: Shared, { chain, columns, trained }: Quantizer): Promise<RemoteCoder> {
    const { process } = shared;
    const coder = process.number();
    const { adapter } = process;
    const remote = new RemoteCoder(shared, coder);
    try {
      await remote.#ask({ kind: 'open', coder, adapter, chain, columns, trained });
      return remote;
    } catch (error) {
      await remote.close();
      const code = error instanceof DeviceError && error.code === 'DEVICE_WRONG' ? error.code : 'DEVICE_UNAVAILABLE';
      const reason = error instanceof Error ? error.message : String(error);
      throw new DeviceError(`${process.name} cannot be used: ${reason}`, { code, cause: error });
    }
  }

  get load(): number {
    return this.#shared.process.load;
  }

  async encode(rows: Float32Array): Promise<Encoded> {
    const reply = await this.#ask({ kind: 'encode', coder: this.#coder, rows });
    if ('encoded' in reply) return reply.encoded;
    throw new Error('the process encoded nothing');
  }

  async decode(encoded: readonly Uint8Array[]): Promise<Float32Array<ArrayBuffer>> {
    const reply = await this.#ask({ kind: 'decode', coder: this.#coder, encoded });
    if ('rows' in reply) return reply.rows;
    throw new Error('the process decoded nothing');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#shared.users > 1) await this.#ask({ kind: 'close', coder: this.#coder }).catch(() => {});
    await release(this.#shared);
  }

  async #ask(request: CoderRequest): Promise<CoderReply> {
    const reply = await this.#shared.process.ask(request);
    if (!('failure' in reply)) return reply;
    const { of, code, message, hint } = reply.failure;
    throw of === 'values' ? new Undecided(message) : new DeviceError(message, { code, hint });
  }
}
