import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/index.ts';
import { type Form, isPossible, type Kernel } from '../../src/kernels/index.ts';
import { runKernel, type Values } from '../../src/kernels/runKernel.ts';
import { testGpu } from '../support/gpu.ts';

/** How far numbers may be from the oracle: `absolute + relative * |expected|`. Default: exactly equal. */
export interface Expected {
  readonly values: ArrayLike<number>;
  readonly absolute?: number;
  readonly relative?: number;
}

/** One conformance row: a dispatch, and what it must write. */
export interface ConformanceCase<S extends string, B extends string> {
  readonly name: string;
  readonly sizes: Readonly<Record<S, number>>;
  /** Contents of all buffers before the dispatch. */
  readonly buffers: Readonly<Record<B, Values>>;
  readonly expected: Partial<Readonly<Record<B, Expected>>>;
}

/**
 * Holds a kernel to its oracle: every form compiles on the null backend, with all extensions; every form that the adapter
 * at hand can run gives the numbers of every case that it fits.
 */
export function conforms<S extends string, B extends string>(
  kernel: Kernel<S, B>,
  cases: readonly ConformanceCase<S, B>[],
): void {
  describe(`the kernel ${kernel.name}`, () => {
    let gpu: Gpu;
    let checker: Gpu;
    beforeAll(async () => {
      [checker, gpu] = [await Gpu.open({ adapter: 'null' }), await testGpu()];
    });
    afterAll(() => {
      gpu.close();
      checker.close();
    });

    describe.each(kernel.forms.map((form) => [form.name, form] as const))('in the form %s', (_, form) => {
      it('is valid', async () => {
        const sizes = sizesFor(kernel, form, cases);
        await checker.programs.get(kernel, sizes, form);
      });

      it('gives the numbers of the oracle', async () => {
        for (const given of cases) {
          if (!isPossible(form, gpu.variant, given.sizes)) continue;
          const found = await runKernel(gpu, kernel, given.sizes, given.buffers, form);
          for (const [name, expected] of Object.entries<Expected | undefined>(given.expected)) {
            if (expected !== undefined) expectNear(found[name as B], expected, `${given.name}: ${name}`);
          }
        }
      });
    });
  });
}

/** Sizes of a case that the form fits: a form that none fits would never be tested. */
function sizesFor<S extends string, B extends string>(
  kernel: Kernel<S, B>,
  form: Form<S>,
  cases: readonly ConformanceCase<S, B>[],
): Readonly<Record<S, number>> {
  const fitting = cases.find(({ sizes }) => form.fits?.(sizes) ?? true);
  if (fitting === undefined) throw new Error(`no case fits the form ${form.name} of ${kernel.name}`);
  return fitting.sizes;
}

function expectNear(found: ArrayLike<number>, { values, absolute = 0, relative = 0 }: Expected, what: string): void {
  expect(found.length, what).toBe(values.length);
  for (let i = 0; i < values.length; i++) {
    const expected = values[i]!;
    const difference = Math.abs(found[i]! - expected);
    const allowed = absolute + relative * Math.abs(expected);
    if (!(difference <= allowed || Object.is(found[i], expected) || found[i] === expected)) {
      expect.fail(`${what}[${i}] is ${found[i]}; expected ${expected} within ${allowed}`);
    }
  }
}

/** Numbers like those of a normal distribution, the same every time. */
export function normals(count: number, seed = 1, scale = 1): Float32Array {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => scale * Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()),
  );
}
