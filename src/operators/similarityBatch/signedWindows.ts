import type { OperatorFunction } from 'rxjs';
import { batch, mapAsync, type Step, transduce } from '../../flow/index.ts';
import { packDocuments } from '../../lsh/documentBatch.ts';
import type { SignedBatch, SignerOptions } from '../../lsh/signer.ts';
import type { SignResult, SignTask } from '../../lsh/signWorker.ts';
import { sharedPool, workerModule } from '../../run/pool.ts';
import { bytesOf, type Unit } from '../units.ts';

const signModule = workerModule(import.meta.url, '../../lsh/signWorker');
/** What crosses a thread boundary at once. */
const SIGN_BATCH = { items: 256, bytes: 1 << 20 };
const SIGN_ROOM_BYTES = 16 << 20;

/** How much a window takes. A document larger than `bytes` is a window by itself. */
export interface WindowLimits {
  readonly documents: number;
  readonly bytes: number;
}

/** Documents, and what they are compared by, in the same order. */
export interface SignedWindow<T> {
  readonly units: readonly Unit<T>[];
  readonly signed: SignedBatch;
}

/**
 * Gathers documents in windows, with signatures and band keys that worker threads make. Windows follow one another, and are
 * cut by the number of documents and by their bytes alone.
 */
export function signedWindows<T>(
  name: string,
  options: Required<SignerOptions>,
  limits: WindowLimits,
): OperatorFunction<Unit<T>, SignedWindow<T>> {
  return (source) => {
    const { threads } = sharedPool();
    return source.pipe(
      batch<Unit<T>>({ ...SIGN_BATCH, sizeOf: ({ bytes }) => bytes, name: `${name}.batch` }),
      mapAsync(signing<T>(options), {
        name: `${name}.sign`,
        concurrency: threads,
        // documents are copied, so that the copy can move to another thread
        room: { items: 2 * threads, bytes: SIGN_ROOM_BYTES },
        sizeOf: (units) => 2 * units.reduce((sum, { bytes }) => sum + bytes, 0),
        least: 2 * SIGN_BATCH.bytes,
      }),
      transduce(() => windowsOf<T>(limits), {
        name: `${name}.window`,
        holds: limits.bytes + limits.documents * signedBytes(options),
      }),
    );
  };
}

/** Bytes that the signature and the keys of a document take. */
export function signedBytes({ components, banding }: Required<SignerOptions>): number {
  return 4 * (components ?? 0) + 8 * (banding?.bands ?? 0) + 1;
}

function signing<T>(options: SignerOptions): (units: readonly Unit<T>[]) => Promise<SignedWindow<T>> {
  const pool = sharedPool();
  /** Buffers that came back: at most one for each task at work. */
  const spare: ArrayBuffer[] = [];
  return async (units) => {
    const { bytes, offsets } = packDocuments(units.map(bytesOf), spare.pop());
    const task: SignTask = { bytes, offsets, options };
    // takes milliseconds, and to abort it would end the thread
    const [signed] = await pool.run<readonly [SignResult]>(signModule, [task], [bytes.buffer, offsets.buffer]);
    const { buffer } = signed.bytes;
    if (buffer.byteLength <= 2 * SIGN_BATCH.bytes) spare.push(buffer);
    return { units, signed: withoutDocuments(signed) };
  };
}

function withoutDocuments({ components, bands, signed, signatures, keys }: SignResult): SignedBatch {
  return { components, bands, signed, signatures, keys };
}

function windowsOf<T>(limits: WindowLimits): Step<SignedWindow<T>, SignedWindow<T>> {
  let open: SignedWindow<T>[] = [];
  let documents = 0;
  let bytes = 0;
  const cut = (): SignedWindow<T> => {
    const whole = joined(open);
    open = [];
    documents = 0;
    bytes = 0;
    return whole;
  };
  return {
    *next(arrived) {
      let first = 0;
      for (const [i, unit] of arrived.units.entries()) {
        const isFull = documents === limits.documents || bytes + unit.bytes > limits.bytes;
        if (documents > 0 && isFull) {
          open.push(part(arrived, first, i));
          first = i;
          yield cut();
        }
        documents++;
        bytes += unit.bytes;
      }
      open.push(part(arrived, first, arrived.units.length));
    },
    flush: () => (documents === 0 ? undefined : [cut()]),
  };
}

function part<T>({ units, signed }: SignedWindow<T>, start: number, end: number): SignedWindow<T> {
  const { components, bands } = signed;
  return {
    units: units.slice(start, end),
    signed: {
      components,
      bands,
      signed: signed.signed.subarray(start, end),
      signatures: signed.signatures.subarray(start * components, end * components),
      keys: signed.keys.subarray(2 * start * bands, 2 * end * bands),
    },
  };
}

/** In arrays of its own, whose buffers may be moved. */
function joined<T>(parts: readonly SignedWindow<T>[]): SignedWindow<T> {
  const units = parts.flatMap((one) => one.units);
  const { components = 0, bands = 0 } = parts[0]?.signed ?? {};
  const signed = {
    components,
    bands,
    signed: new Uint8Array(units.length),
    signatures: new Uint32Array(units.length * components),
    keys: new Uint32Array(2 * units.length * bands),
  };
  let at = 0;
  for (const one of parts) {
    signed.signed.set(one.signed.signed, at);
    signed.signatures.set(one.signed.signatures, at * components);
    signed.keys.set(one.signed.keys, 2 * at * bands);
    at += one.units.length;
  }
  return { units, signed };
}
