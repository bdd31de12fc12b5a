import { parentPort } from 'node:worker_threads';
import { BlockDecoder } from '../../../src/kernels/blocks/decoder.ts';
import type { BlockType } from '../../../src/kernels/blocks/layout.ts';

/** Decodes what it is told to, in a memory that it is given. */
export interface Order {
  readonly memory: WebAssembly.Memory;
  readonly calls: readonly (readonly [type: BlockType, source: number, target: number, values: number])[];
}

parentPort?.once('message', ({ memory, calls }: Order) => {
  const decoder = new BlockDecoder(memory);
  for (const call of calls) decoder.decode(...call);
  parentPort?.postMessage('done');
});
