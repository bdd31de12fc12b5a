import type { OperatorFunction } from 'rxjs';
import { transduce } from '../../flow/index.ts';
import { documentAt } from '../../lsh/documentBatch.ts';
import type { Unit } from '../units.ts';
import { HASH_WORDS } from './contentTable.ts';
import type { Duplicate } from './duplicatesFile.ts';
import type { DedupSettings } from './settings.ts';
import type { SignedUnits } from './signed.ts';
import { type Verdict, Window } from './window.ts';
import { windowHolds } from './windowSize.ts';

/** Some units in order: the values of those that are kept, and the others. */
export interface Decided<T> {
  readonly kept: T[];
  /** Of the kept ones. */
  bytes: number;
  readonly duplicates: Duplicate[];
}

/** Units that are decided in one go: a millisecond at most, but for exact comparisons. */
const STRIDE = 64;

/** Which units are kept: one after the other, in order. */
export function decided<T>(settings: DedupSettings): OperatorFunction<SignedUnits<T>, Decided<T>> {
  return transduce<SignedUnits<T>, Decided<T>>(
    () => {
      const window = new Window(settings);
      let ordinal = 0;
      return {
        *next(batch) {
          for (let first = 0; first < batch.units.length; first += STRIDE) {
            const some: Decided<T> = { kept: [], bytes: 0, duplicates: [] };
            for (const [i, unit] of batch.units.slice(first, first + STRIDE).entries()) {
              decide(unit, verdictOn(window, batch, first + i, ordinal++), some);
            }
            yield some;
          }
          batch.release();
        },
      };
    },
    { name: 'dedup.window', holds: windowHolds(settings.window, settings) },
  );
}

function decide<T>(unit: Unit<T>, verdict: Verdict | undefined, to: Decided<T>): void {
  if (verdict === undefined) {
    to.kept.push(...unit.values);
    to.bytes += unit.bytes;
  } else {
    const { uri, position } = unit.source;
    to.duplicates.push({ id: unit.id, ...verdict, uri, position });
  }
}

function verdictOn<T>(window: Window, batch: SignedUnits<T>, i: number, ordinal: number): Verdict | undefined {
  // shorter than a shingle, or empty where bytes alone are compared: nobody's duplicate
  if (batch.signed[i] === 0) return undefined;
  const { units, signatures, hashes } = batch;
  const components = signatures.length / units.length;
  return window.place({
    id: units[i]?.id ?? '',
    ordinal,
    hash: hashes.subarray(HASH_WORDS * i, HASH_WORDS * (i + 1)),
    signature: components === 0 ? undefined : signatures.subarray(components * i, components * (i + 1)),
    bytes: documentAt(batch, i),
  });
}
