import { deserialize, serialize } from 'node:v8';
import { PART_BYTES } from './protocol.ts';

/** Name of the only member of what stands for an array that travels by itself. */
const NAMED = 'sluice.part';
type Arrays = Uint8Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;
const KINDS = { Uint8Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array } as const;

/** A value with its large arrays taken out. */
export interface Dismantled {
  readonly parts: readonly Uint8Array[];
  readonly head: Uint8Array;
}

/** Takes large typed arrays out of a plain value, so that they need not be copied into its serialized form. */
export function dismantle(value: unknown): Dismantled {
  const parts: Uint8Array[] = [];
  const kinds: (keyof typeof KINDS)[] = [];
  const seen = new Map<ArrayBufferView, number>();
  const without = (inner: unknown): unknown => {
    if (ArrayBuffer.isView(inner)) {
      if (inner.byteLength < PART_BYTES || inner instanceof DataView) return inner;
      let part = seen.get(inner);
      if (part === undefined) {
        part = parts.length;
        seen.set(inner, part);
        parts.push(new Uint8Array(inner.buffer, inner.byteOffset, inner.byteLength));
        kinds.push(kindOf(inner));
      }
      return { [NAMED]: part };
    }
    if (Array.isArray(inner)) return inner.map(without);
    if (typeof inner === 'object' && inner !== null && Object.getPrototypeOf(inner) === Object.prototype) {
      return Object.fromEntries(Object.entries(inner).map(([name, member]) => [name, without(member)]));
    }
    return inner;
  };
  const body = without(value);
  return { parts, head: serialize({ body, kinds }) };
}

function kindOf(array: ArrayBufferView): keyof typeof KINDS {
  for (const [name, kind] of Object.entries(KINDS)) if (array instanceof kind) return name as keyof typeof KINDS;
  throw new TypeError('arrays of this kind do not travel between processes');
}

/** Puts a value together again; its arrays are the parts themselves. */
export function assemble(head: Uint8Array, parts: readonly Uint8Array<ArrayBuffer>[]): unknown {
  const { body, kinds } = deserialize(head) as { body: unknown; kinds: readonly (keyof typeof KINDS)[] };
  const arrays = parts.map((part, index): Arrays => {
    const Kind = KINDS[kinds[index] ?? 'Uint8Array'];
    return new Kind(part.buffer, part.byteOffset, part.byteLength / Kind.BYTES_PER_ELEMENT);
  });
  const whole = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(whole);
    if (typeof inner !== 'object' || inner === null || Object.getPrototypeOf(inner) !== Object.prototype) return inner;
    const part = (inner as Record<string, unknown>)[NAMED];
    if (typeof part === 'number') return arrays[part];
    return Object.fromEntries(Object.entries(inner).map(([name, member]) => [name, whole(member)]));
  };
  return whole(body);
}
