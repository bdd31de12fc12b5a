import { decodeLinear } from './decode.ts';
import { encodeLinear } from './encode.ts';
import { groupsFrom, groupsOf } from './groups.ts';
import type { LinearCoder } from './linear.ts';
import { type LinearSpec, partsOf } from './spec.ts';

/** A coder of linear codes. */
export function linearCoder(spec: LinearSpec): LinearCoder {
  const { fixed } = spec;
  return {
    linear: spec.form,
    fixed: fixed === undefined ? undefined : { inverses: fixed.inverses, zeros: fixed.zeros, parts: [] },
    values: { divisor: spec.divisor, scales: fixed?.scales },
    parts: partsOf(spec),
    groupsFrom: (found) => groupsFrom(spec, found),
    groupsOf: (rows) => groupsOf(spec, rows),
    encode: (rows, into) => encodeLinear(spec, rows, into),
    decode: (encoded, into) => decodeLinear(spec, encoded, into),
  };
}
