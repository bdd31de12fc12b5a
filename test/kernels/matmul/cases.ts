import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../../../src/gpu/index.ts';
import { type Form, isPossible, matmul, type WeightType, weightsOf } from '../../../src/kernels/index.ts';
import { matmulOfRows } from '../../../src/kernels/matmul/cpu.ts';
import { runKernel } from '../../../src/kernels/runKernel.ts';
import { unpackedWeights } from '../../../src/kernels/weights/cpu.ts';
import { testGpu } from '../../support/gpu.ts';
import { normals } from '../conformance.ts';

type Shape = readonly [rows: number, inputs: number, outputs: number];
type Sizes = Readonly<Record<'rows' | 'inputs' | 'outputs' | 'accumulate', number>>;

/** Odd and even sizes, within one tile and beyond. */
export const SHAPES: readonly Shape[] = [
  [3, 68, 7],
  [5, 37, 6],
  [1, 1, 1],
  [4, 768, 9],
  [130, 36, 66],
];

/** Sums of up to 768 products of normal numbers with weights of 0.05. */
const TOLERANCE = { absolute: 4e-6, relative: 2e-6 };

function product(type: WeightType, [rows, inputs, outputs]: Shape, accumulate: 0 | 1) {
  const input = normals(rows * inputs, inputs);
  const packed = weightsOf(type, normals(outputs * inputs, outputs, 0.05), inputs);
  const output = normals(rows * outputs, 9);
  const sums = matmulOfRows(input, unpackedWeights(type, packed, inputs), inputs);
  return {
    name: `(${rows}, ${inputs}, ${outputs})${accumulate ? ' on top' : ''}`,
    sizes: { rows, inputs, outputs, accumulate },
    buffers: { input, weights: packed.words, scales: packed.scales, output },
    expected: { values: sums.map((sum, i) => sum + accumulate * (output[i] ?? 0)), ...TOLERANCE },
  };
}

/** Rows of the identity bring every weight back, with every bit. */
function identity(type: WeightType, inputs: number, outputs: number) {
  const input = new Float32Array(inputs * inputs);
  for (let i = 0; i < inputs; i++) input[i * (inputs + 1)] = 1;
  const packed = weightsOf(type, normals(outputs * inputs, 3), inputs);
  const weights = unpackedWeights(type, packed, inputs);
  const output = new Float32Array(inputs * outputs);
  const transposed = output.map((_, i) => weights[(i % outputs) * inputs + Math.floor(i / outputs)] ?? 0);
  return {
    name: 'all weights',
    sizes: { rows: inputs, inputs, outputs, accumulate: 0 },
    buffers: { input, weights: packed.words, scales: packed.scales, output },
    expected: { values: transposed },
  };
}

/** Clearing the memory of workgroups, which no form relies on, takes a software adapter seconds to compile. */
const UNCLEARED = { dawn: ['enable-dawn-features=disable_workgroup_init'] };

/**
 * Holds the product with weights of one type to its oracle, as `conforms` does, and rows to themselves: on one device, so that
 * no form is compiled twice.
 */
export function matmulConforms(type: WeightType, shapes: readonly Shape[], unit = 40): void {
  const kernel = matmul(type);
  const cases = [
    ...shapes.map((shape) => product(type, shape, 0)),
    ...shapes.slice(0, 2).map((shape) => product(type, shape, 1)),
    identity(type, unit, 5),
  ];

  describe(`the kernel ${kernel.name}`, () => {
    let gpu: Gpu;
    let checker: Gpu;
    beforeAll(async () => {
      [checker, gpu] = [await Gpu.open({ adapter: 'null' }), await testGpu(UNCLEARED)];
    });
    afterAll(() => {
      gpu.close();
      checker.close();
    });

    describe.each(kernel.forms.map((form) => [form.name, form] as const))('in the form %s', (_, form) => {
      it('is valid', async () => {
        await checker.programs.get(kernel, cases[0]!.sizes, form);
      });

      it('gives the numbers of the oracle', async () => {
        for (const { name, sizes, buffers, expected } of cases) {
          if (!isPossible(form, gpu.variant, sizes)) continue;
          const found = await outputOf(gpu, type, form, sizes, buffers);
          const { values, absolute, relative } = { absolute: 0, relative: 0, ...expected };
          expect(found.length).toBe(values.length);
          const wrong = found.findIndex((value, i) => {
            const wanted = values[i] ?? Number.NaN;
            return !(Math.abs(value - wanted) <= absolute + relative * Math.abs(wanted));
          });
          expect(wrong, `${name}: ${found[wrong]} for ${values[wrong]}`).toBe(-1);
        }
      });

      it('gives rows the same bits whatever other rows there are', async () => {
        const [rows, inputs, outputs] = [9, type === 'q4_k' ? 256 : 100, 3];
        const { sizes, buffers } = product(type, [rows, inputs, outputs], 1);
        expect(isPossible(form, gpu.variant, sizes)).toBe(true);
        const together = await outputOf(gpu, type, form, sizes, buffers);
        for (const row of [0, 6, 8]) {
          const input = buffers.input.slice(row * inputs, (row + 1) * inputs);
          const output = buffers.output.slice(row * outputs, (row + 1) * outputs);
          const alone = await outputOf(gpu, type, form, { ...sizes, rows: 1 }, { ...buffers, input, output });
          expect(alone).toEqual(together.slice(row * outputs, (row + 1) * outputs));
        }
      });
    });
  });
}

async function outputOf(
  gpu: Gpu,
  type: WeightType,
  form: Form<keyof Sizes>,
  sizes: Sizes,
  buffers: ReturnType<typeof product>['buffers'],
): Promise<Float32Array> {
  return (await runKernel(gpu, matmul(type), sizes, buffers, form)).output;
}
