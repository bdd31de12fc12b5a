import { ModelError } from '../../errors.ts';
import type { ForwardResult, ForwardTask, KeyValues } from '../cpu/forward.ts';
import type { ForwardSession } from '../cpu/session.ts';
import type { Agreement, DeviceResult, DeviceTask } from './deviceProtocol.ts';

/** Entropies of device and CPU may differ by so many nats, and norms by this part of themselves. */
const TOLERANCE = 1e-3;
/** Two pieces, so that a past is carried; the second is long enough to be cut into blocks. */
const PIECES = [40, 160] as const;

/** Entropies and norms of the tokens of the check. */
export interface Signals {
  readonly entropies: ArrayLike<number>;
  readonly norms: ArrayLike<number>;
}

/** Passes on a device, one after the other; what a pass leaves behind is handed to the next. */
export interface CheckedSession<Past> {
  run(
    task: DeviceTask,
    past: Past | undefined,
  ): Promise<{ readonly result: DeviceResult; readonly next: Past | undefined }>;
}

/** Lets device and CPU compute the same tokens. Throws ModelError `DEVICE_WRONG` where they differ. */
export async function checkDevice<Past>(
  device: CheckedSession<Past>,
  cpu: ForwardSession,
  name: string,
): Promise<Agreement> {
  return requireAgreement(await onDevice(device), await onCpu(cpu), name);
}

/**
 * @throws ModelError `DEVICE_WRONG` where a number of the device is not that of the CPU; `MODEL_NOT_FINITE` where that is none
 *   itself
 */
export function requireAgreement(found: Signals, expected: Signals, name: string): Agreement {
  const tokens = expected.entropies.length;
  for (const values of [expected.entropies, expected.norms]) {
    const value = Array.from(values).find((one) => !Number.isFinite(one));
    if (value === undefined) continue;
    throw new ModelError(`The model computes ${value} on the CPU, which ${name} would be compared with.`, {
      code: 'MODEL_NOT_FINITE',
      hint: 'The weights hold values that overflow, or are damaged.',
    });
  }
  const entropyDifference = largest(tokens, (i) => at(found.entropies, i) - at(expected.entropies, i));
  const normDifference = largest(tokens, (i) => at(found.norms, i) / at(expected.norms, i) - 1);
  if (entropyDifference <= TOLERANCE && normDifference <= TOLERANCE) {
    return { entropyDifference, normDifference, tokens };
  }
  throw new ModelError(
    `${name} computes wrongly: on ${tokens} tokens its entropies are up to ${entropyDifference} nats from the CPU's, and its norms up to ${100 * normDifference} %; ${TOLERANCE} nats and ${100 * TOLERANCE} % are allowed.`,
    {
      code: 'DEVICE_WRONG',
      hint: 'Use the CPU. A newer driver may help; so may more exact products where the device rounds to fewer bits (for CUDA: NVIDIA_TF32_OVERRIDE=0).',
    },
  );
}

/** The largest magnitude; what is no number counts as infinite. */
function largest(count: number, difference: (i: number) => number): number {
  let most = 0;
  for (let i = 0; i < count; i++) {
    const magnitude = Math.abs(difference(i));
    most = Math.max(most, Number.isNaN(magnitude) ? Number.POSITIVE_INFINITY : magnitude);
  }
  return most;
}

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;

/** Byte tokens without a pattern that a wrong mask or rotation could hide in. */
function* passes(): Iterable<Omit<ForwardTask, 'past'>> {
  let position = 0;
  for (const [piece, count] of PIECES.entries()) {
    const tokens = Int32Array.from({ length: count }, (_, i) => 4 + (((position + i) * 7919 + 31) % 256));
    yield { tokens, position, carry: piece + 1 < PIECES.length, preNorm: false, logits: false };
    position += count;
  }
}

async function onDevice<Past>(session: CheckedSession<Past>): Promise<Signals> {
  let past: Past | undefined;
  let pastRows = 0;
  const results: Signals[] = [];
  for (const task of passes()) {
    const { result, next } = await session.run({ ...task, pastRows }, past);
    [past, pastRows] = [next, result.nextRows];
    results.push(result);
  }
  return joined(results);
}

async function onCpu(session: ForwardSession): Promise<Signals> {
  let past: KeyValues | undefined;
  const results: ForwardResult[] = [];
  for (const task of passes()) {
    const [outcome] = await session.run([{ ...task, past }]);
    if (outcome === undefined || !('result' in outcome)) throw new Error(`the CPU failed: ${JSON.stringify(outcome)}`);
    past = outcome.result.next;
    results.push(outcome.result);
  }
  return joined(results);
}

function joined(parts: readonly Signals[]): Signals {
  const join = (pick: (part: Signals) => ArrayLike<number>) => parts.flatMap((part) => Array.from(pick(part)));
  return { entropies: join(({ entropies }) => entropies), norms: join(({ norms }) => norms) };
}
