import type { Commands, Gpu, Memory, Program } from '../../gpu/index.ts';
import {
  attention,
  carryKeys,
  entropy,
  gather,
  type Kernel,
  l2Norm,
  meanPool,
  rmsNorm,
  rope,
  siluGate,
  turnKeys,
} from '../../kernels/index.ts';
import type { ModelConfig } from '../config.ts';
import type { BatchLayout } from './batchLayout.ts';
import type { tokenFloats } from './gpuPlan.ts';
import type { GpuWeights, Linear } from './gpuWeights.ts';

type ProgramOf<K> = K extends Kernel<infer S, infer B> ? Program<S, B> : never;

interface Programs {
  readonly gather: ProgramOf<typeof gather>;
  readonly rmsNorm: ProgramOf<typeof rmsNorm>;
  readonly rope: ProgramOf<typeof rope>;
  readonly attention: ProgramOf<ReturnType<typeof attention>>;
  readonly carryKeys: ProgramOf<typeof carryKeys>;
  readonly turnKeys: ProgramOf<typeof turnKeys>;
  readonly siluGate: ProgramOf<typeof siluGate>;
  readonly l2Norm: ProgramOf<typeof l2Norm>;
  readonly entropy: ProgramOf<typeof entropy>;
  readonly meanPool: ProgramOf<typeof meanPool>;
}

/** Tables of a layout that the kernels read. */
export const TABLES = ['tokens', 'angles', 'angleRows', 'sequences', 'blocks', 'firstRows'] as const;

/** Memory of one batch: the device does batches one after the other, so that all use the same. */
export type BatchMemory = Readonly<Record<keyof ReturnType<typeof tokenFloats> | (typeof TABLES)[number], Memory>>;

/** The programs of a model but those of its products, and the order in which they make a forward pass. */
export class ForwardPrograms {
  readonly #config: ModelConfig;
  readonly #programs: Programs;

  private constructor(config: ModelConfig, programs: Programs) {
    this.#config = config;
    this.#programs = programs;
  }

  static async compile(gpu: Gpu, config: ModelConfig): Promise<ForwardPrograms> {
    return new ForwardPrograms(config, await compile(gpu, config));
  }

  /**
   * Adds the whole forward pass of a batch.
   * @param carried of each layer f32[slots, 2, window - 1, kvHeads * headDim]
   * @param carries whether any document carries keys and values on
   */
  forward(
    commands: Commands,
    layout: BatchLayout,
    memory: BatchMemory,
    weights: GpuWeights,
    carried: readonly Memory[],
    carries: boolean,
  ): void {
    const { dim: columns, vocabSize, heads, kvHeads, headDim, ffnHidden, normEps: epsilon, window } = this.#config;
    const { count: rows } = layout;
    const run = this.#programs;
    const { states, normed, qkv, attended, gateUp, gated, logits, entropies, norms } = memory;
    const { angles, angleRows, sequences, blocks, firstRows } = memory;
    const norm = (weight: Memory): void =>
      commands.dispatch(run.rmsNorm, { states, weight, normed }, { rows, columns, epsilon });
    const ringRows = window - 1;
    const vocabulary = vocabSize;
    commands.dispatch(
      run.gather,
      { table: weights.embeddings, indices: memory.tokens, gathered: states },
      { rows, columns, vocabulary },
    );
    for (const [i, layer] of weights.layers.entries()) {
      const rings = carried[i];
      if (rings === undefined) throw new RangeError(`there is no layer ${i}`);
      norm(layer.attentionNorm);
      product(commands, layer.qkv, normed, qkv, rows);
      commands.dispatch(run.rope, { qkv, angles, rows: angleRows }, { tokens: rows, heads, kvHeads, headDim });
      commands.dispatch(
        run.attention,
        { qkv, carried: rings, sequences, blocks, firstRows, output: attended },
        {
          blocks: layout.blocks.length / 2,
          heads,
          kvHeads,
          window,
          ringRows,
          tokens: rows,
          pairs: layout.pairs,
          scale: 1 / Math.sqrt(headDim),
          softCap: 0,
        },
      );
      if (carries) {
        commands.dispatch(
          run.carryKeys,
          { qkv, sequences, carried: rings },
          {
            sequences: layout.passes,
            rows: Math.min(layout.longest, ringRows),
            heads,
            kvHeads,
            headDim,
            ringRows,
          },
        );
      }
      product(commands, layer.attended, attended, states, rows, true);
      norm(layer.ffnNorm);
      product(commands, layer.gateUp, normed, gateUp, rows);
      commands.dispatch(run.siluGate, { gateUp, gated }, { rows, columns: ffnHidden });
      product(commands, layer.down, gated, states, rows, true);
    }
    commands.dispatch(run.l2Norm, { states, norms }, { rows, columns });
    norm(weights.norm);
    product(commands, weights.output, normed, logits, rows);
    commands.dispatch(run.entropy, { logits, entropies }, { rows, columns: vocabSize });
  }

  /** Bytes of the means of `patches` runs. */
  meanBytes(patches: number): number {
    return 4 * patches * this.#config.dim;
  }

  /** Adds the averaging of `rows` states over `patches` runs of them. */
  pool(
    commands: Commands,
    memory: Readonly<Record<'states' | 'starts' | 'lengths' | 'means', Memory>>,
    rows: number,
    patches: number,
  ): void {
    commands.dispatch(this.#programs.meanPool, memory, { rows, columns: this.#config.dim, patches });
  }

  /** Adds the turning back of carried keys: `angles` for each of `slots`. */
  turnBack(
    commands: Commands,
    carried: readonly Memory[],
    turned: { slots: Memory; angles: Memory; count: number },
  ): void {
    const { kvHeads, headDim, window } = this.#config;
    const { slots, angles, count } = turned;
    for (const rings of carried) {
      commands.dispatch(
        this.#programs.turnKeys,
        { carried: rings, slots, angles },
        { slots: count, ringRows: window - 1, kvHeads, headDim },
      );
    }
  }
}

function product(
  commands: Commands,
  { program, words, scales, inputs, outputs }: Linear,
  input: Memory,
  output: Memory,
  rows: number,
  accumulate = false,
): void {
  const sizes = { rows, inputs, outputs, accumulate: accumulate ? 1 : 0 };
  commands.dispatch(program, { input, weights: words, scales, output }, sizes);
}

/** All programs but those of products, which depend on the types of weights. */
async function compile({ programs }: Gpu, config: ModelConfig): Promise<Programs> {
  const { dim, vocabSize, ffnHidden, heads, kvHeads, headDim, window, normEps: epsilon } = config;
  const rows = 1;
  const ringRows = window - 1;
  const scale = 1;
  return {
    gather: await programs.get(gather, { rows, columns: dim, vocabulary: vocabSize }),
    rmsNorm: await programs.get(rmsNorm, { rows, columns: dim, epsilon }),
    rope: await programs.get(rope, { tokens: rows, heads, kvHeads, headDim }),
    attention: await programs.get(attention(headDim), {
      blocks: 1,
      heads,
      kvHeads,
      window,
      ringRows,
      tokens: rows,
      pairs: 1,
      scale,
      softCap: 0,
    }),
    carryKeys: await programs.get(carryKeys, { sequences: 1, rows, heads, kvHeads, headDim, ringRows }),
    turnKeys: await programs.get(turnKeys, { slots: 1, ringRows, kvHeads, headDim }),
    siluGate: await programs.get(siluGate, { rows, columns: ffnHidden }),
    l2Norm: await programs.get(l2Norm, { rows, columns: dim }),
    entropy: await programs.get(entropy, { rows, columns: vocabSize }),
    meanPool: await programs.get(meanPool, { rows, columns: dim, patches: 1 }),
  };
}
