import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PART_BYTES } from '../../src/decoders/protocol.ts';
import { assemble, dismantle } from '../../src/decoders/result.ts';

/** Crosses as between processes: parts and head are copied. */
function crossed(value: unknown): unknown {
  const { parts, head } = dismantle(value);
  return assemble(
    Uint8Array.from(head),
    parts.map((part) => Uint8Array.from(part)),
  );
}

const kinds = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

describe('a result that crosses between processes', () => {
  it.each(kinds)('keeps arrays of kind %o, short and long', (Kind) => {
    for (const bytes of [0, 8, PART_BYTES - 8, PART_BYTES, PART_BYTES + 8]) {
      const array = new Kind(bytes / Kind.BYTES_PER_ELEMENT);
      const octets = new Uint8Array(array.buffer);
      for (let at = 0; at < bytes; at++) octets[at] = at % 251;
      const back = crossed({ a: array }) as { a: typeof array };
      expect(back.a).toBeInstanceOf(Kind);
      expect(Buffer.from(back.a.buffer, back.a.byteOffset, back.a.byteLength).equals(octets)).toBe(true);
    }
  });

  it('keeps plain values, whatever they are named', () => {
    const value = fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withMap: true, maxDepth: 4 });
    fc.assert(
      fc.property(value, (plain) => {
        fc.pre(!hasView(plain));
        expect(crossed({ plain, 'sluice.part': 1 })).toEqual({ plain: structuredClone(plain), 'sluice.part': 1 });
      }),
      { numRuns: 300 },
    );
  });

  it('has an array that is named twice once', () => {
    const array = new Uint16Array(PART_BYTES);
    const short = Uint8Array.of(1, 2, 3);
    const { parts } = dismantle([array, { again: array, short }, short]);
    expect(parts).toHaveLength(1);
    const back = crossed([array, { again: array, short }, short]) as [
      unknown,
      { again: unknown; short: unknown },
      unknown,
    ];
    expect(back[1].again).toBe(back[0]);
    expect(back[1].short).toBe(back[2]);
  });

  it('copies none of a long array into the head, and only what a view shows', () => {
    const whole = new Uint8Array(10 * PART_BYTES);
    const { parts, head } = dismantle({ a: whole.subarray(0, 2 * PART_BYTES), b: whole.subarray(5, 9) });
    expect(parts.map((part) => part.length)).toEqual([2 * PART_BYTES]);
    expect(parts[0]?.buffer).toBe(whole.buffer);
    expect(head.length).toBeLessThan(200);
  });

  it('holds short arrays in memory of their own', () => {
    const back = crossed([new Float64Array([1, 2]), new Uint8Array(9)]) as [Float64Array, Uint8Array];
    expect(back.map(({ buffer }) => buffer.byteLength)).toEqual([16, 9]);
  });

  it.each([
    ['a function', () => 1],
    ['a DataView', new DataView(new ArrayBuffer(3))],
    ['a symbol', Symbol('x')],
  ])('is refused where it holds %s', (_what, value) => {
    expect(() => dismantle({ value })).toThrow();
  });
});

/** Arrays of odd kinds (Float16Array) do not travel. */
function hasView(value: unknown): boolean {
  if (ArrayBuffer.isView(value)) return !kinds.some((Kind) => value instanceof Kind);
  if (typeof value !== 'object' || value === null) return false;
  return (value instanceof Map ? [...value].flat() : Object.values(value)).some(hasView);
}
