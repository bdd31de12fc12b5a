import fc from 'fast-check';

/** Numbers with few bits, so that sums and distances tie, and ones of any magnitude that float32 has room for. */
const plainNumber = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -4, max: 4 }).map((n) => n / 2) },
  { weight: 3, arbitrary: fc.float({ min: -100, max: 100, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(-0, 1e-45, -1e-40, 1e-20, 1e15, -1e15) },
);

/** f32[rows, columns]. */
export const floats = (length: number): fc.Arbitrary<Float32Array<ArrayBuffer>> =>
  fc
    .array(plainNumber, { minLength: length, maxLength: length, size: 'max' })
    .map((numbers) => Float32Array.from(numbers));
