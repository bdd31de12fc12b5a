import { DeviceError } from '../../errors.ts';
import { canonicalJson } from '../../json.ts';
import type { Quantizer } from '../quantizer.ts';
import type { Encoded } from '../scheme.ts';
import type { CoderDevice } from './coderDevice.ts';

/** Encodes rows elsewhere; undefined where that cannot be done, or not any more. */
export interface SharedCoder {
  encode(rows: Float32Array): Promise<Encoded | undefined>;
}

/** Coders that stay open: those of many quantizers come and go in a process that runs for long. */
const MOST_CODERS = 16;

/** The oldest first. */
const coders = new Map<string, { readonly opening: Promise<CoderDevice | undefined>; isLost: boolean }>();

/**
 * One coder on a device for all flows of this process that want it alike: splits of a run do not start its process again.
 * @param learned names what the quantizer has learned, where it has
 * @param isAsked the device was named for this: it must be there. Else the CPU stands in for it, since codes are the same
 */
export function sharedCoder(device: string, quantizer: Quantizer, learned: string, isAsked: boolean): SharedCoder {
  const { chain, columns } = quantizer;
  const key = canonicalJson([device, columns, learned, chain]);
  let shared = coders.get(key);
  if (shared === undefined) {
    shared = { opening: open(device, quantizer), isLost: false };
    // whoever encodes hears of it
    shared.opening.catch(() => {});
    coders.set(key, shared);
    closeOldest();
  }
  const own = shared;
  return {
    async encode(rows) {
      if (own.isLost) return undefined;
      try {
        return await (await own.opening)?.encode(rows);
      } catch (error) {
        const isUnavailable = (await own.opening.catch(() => null)) === null;
        if (!(error instanceof DeviceError) || (isAsked && isUnavailable)) throw error;
        own.isLost = true;
        return undefined;
      }
    },
  };
}

/** A flow that still has it goes on with the CPU, to the same codes. */
function closeOldest(): void {
  const [oldest] = coders;
  if (coders.size <= MOST_CODERS || oldest === undefined) return;
  const [key, shared] = oldest;
  coders.delete(key);
  shared.isLost = true;
  shared.opening.then((coder) => coder?.close()).catch(() => {});
}

async function open(device: string, quantizer: Quantizer): Promise<CoderDevice | undefined> {
  const { openCoderDevice } = await import('./coderDevice.ts');
  return openCoderDevice(device, quantizer);
}

/** Ends the processes of all of them: what they are at is not waited for. */
export async function closeSharedCoders(): Promise<void> {
  const opened = await Promise.allSettled([...coders.values()].map(({ opening }) => opening));
  coders.clear();
  await Promise.all(opened.map(async (outcome) => outcome.status === 'fulfilled' && (await outcome.value?.close())));
}
