/**
 * The process of a GPU that encodes and decodes: a driver that fails takes its process along, and that shall not be the one
 * that runs a pipeline.
 */
import { DeviceError, SluiceError } from '../../errors.ts';
import { Gpu } from '../../gpu/index.ts';
import { openQuantizer } from '../quantizer.ts';
import type { CoderFailure, CoderMessage, CoderReply } from './coderProtocol.ts';
import { openGpuCoder } from './gpuCoder.ts';
import type { GpuCoder } from './piecewiseCoder.ts';

const coders = new Map<number, GpuCoder>();
let gpu: Promise<Gpu> | undefined;

async function answer(message: CoderMessage): Promise<CoderReply> {
  const { id } = message;
  switch (message.kind) {
    case 'open': {
      const { adapter, chain, columns, trained } = message;
      gpu ??= Gpu.open({ adapter });
      const coder = await openGpuCoder(await gpu, openQuantizer(chain, columns, trained));
      if (coder === undefined) throw new Error('the chain has no way on a GPU');
      coders.set(message.coder, coder);
      return { id, done: true };
    }
    case 'encode':
      return { id, encoded: await coderOf(message.coder).encode(message.rows) };
    case 'decode':
      return { id, rows: await coderOf(message.coder).decode(message.encoded) };
    case 'close':
      await coders.get(message.coder)?.close();
      coders.delete(message.coder);
      return { id, done: true };
  }
}

function coderOf(number: number): GpuCoder {
  const coder = coders.get(number);
  if (coder === undefined) throw new Error(`quantizer ${number} is not open`);
  return coder;
}

function failureOf(error: unknown): CoderFailure {
  if (error instanceof SluiceError) {
    const { code, message, hint } = error;
    return { of: error instanceof DeviceError ? 'device' : 'values', code, message, hint };
  }
  return { of: 'device', code: 'GPU_FAILED', message: error instanceof Error ? error.message : String(error) };
}

process.on('message', (message: CoderMessage) => {
  answer(message)
    .catch((error: unknown): CoderReply => ({ id: message.id, failure: failureOf(error) }))
    .then((reply) => {
      if (process.connected) process.send?.(reply);
    });
});
// the process that this one works for decides what an interruption means; its end is the end of this one
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
