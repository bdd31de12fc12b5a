import { type Form, type Kernel, kernel } from '../kernel.ts';
import { type WeightLayout, type WeightType, weightLayouts } from '../weights/layout.ts';
import { type WeightLoader, weightLoaders } from '../weights/weights.wgsl.ts';
import { invocationTiles, type Part, partsOf, type Tile, workgroupTiles } from './tiles.wgsl.ts';

type Sizes = 'rows' | 'inputs' | 'outputs' | 'accumulate';
type Buffers = 'input' | 'weights' | 'scales' | 'output';
type Counts = Readonly<Record<Sizes, number>>;

/** 15 KiB of a workgroup's memory, 256 invocations with 32 sums each. */
const TILE: Tile = { rows: 128, outputs: 64, inputs: 16, part: { rows: 8, outputs: 4 } };
/** What an invocation computes by itself; more rows save decoding, and take longer to compile. */
const PART: Part = { rows: 4, outputs: 4 };
const DECODING_PART: Part = { rows: 8, outputs: 4 };
const LANES = 64;

const kernels = new Map<WeightType, Kernel<Sizes, Buffers>>();

/**
 * Products with a linear weight: f32[rows, inputs] times the transpose of weights[outputs, inputs], which are packed as
 * {@link weightLayouts} says, to f32[rows, outputs]; with `accumulate` 1 they are added to what `output` holds. Each result is
 * one float32 sum in the order of inputs, with the same bits whatever other rows there are. Weights of `int8` and `ternary`
 * are multiplied with their row's scale once, at the end; sums with `ternary` weights only add and subtract.
 *
 *     const { words, scales } = weightsOf('int8', values, inputs);
 *     const program = await gpu.programs.get(matmul('int8'), { rows, inputs, outputs, accumulate: 0 });
 */
export function matmul(type: WeightType): Kernel<Sizes, Buffers> {
  const known = kernels.get(type);
  if (known !== undefined) return known;
  const [loader, layout] = [weightLoaders[type], weightLayouts[type]];
  const made = productOf(`matmul.${type}`, loader, layout, type === 'f32' ? PART : DECODING_PART);
  kernels.set(type, made);
  return made;
}

/** The product for weights that are loaded and multiplied in a way of their own. */
export function productOf(
  name: string,
  { elements, load, plus }: WeightLoader,
  { unit, words, scales }: WeightLayout,
  part = PART,
): Kernel<Sizes, Buffers> {
  const isWhole = ({ inputs }: Counts): boolean => inputs > 0 && inputs % unit === 0;
  const invocation = (width: 1 | 4): Form<Sizes> => ({
    name: width === 4 ? 'invocation4' : 'invocation',
    code: [load, plus, invocationTiles(part, LANES, width)].join('\n'),
    vectors: width === 4,
    fits: (sizes) => isWhole(sizes) && sizes.inputs % width === 0,
    workgroups: (sizes) => Math.ceil(partsOf(part, sizes) / LANES),
  });
  return kernel({
    name,
    sizes: { rows: 'u32', inputs: 'u32', outputs: 'u32', accumulate: 'u32' },
    buffers: {
      input: { access: 'read', elements: 'f32' },
      weights: { access: 'read', elements, scalar: true },
      scales: { access: 'read', elements: 'u32', scalar: true },
      output: { access: 'read_write', elements: 'f32', scalar: true },
    },
    forms: [
      {
        name: 'tile4',
        code: [load, plus, workgroupTiles(TILE)].join('\n'),
        vectors: true,
        fits: (sizes) => isWhole(sizes) && sizes.inputs % 4 === 0,
        suits: ({ software }) => !software,
        workgroups: (sizes) => partsOf(TILE, sizes),
      },
      invocation(4),
      invocation(1),
    ],
    cost: ({ rows, inputs, outputs, accumulate }) => ({
      bytes: 4 * (rows * (inputs + (1 + accumulate) * outputs) + outputs * (words(inputs) + scales(inputs))),
      flops: 2 * rows * inputs * outputs,
    }),
  });
}
