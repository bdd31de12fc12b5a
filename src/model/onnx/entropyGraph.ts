import type { ModelConfig } from '../config.ts';
import type { Weight } from '../weights.ts';
import { ONNX_TYPE, OnnxBuilder } from './builder.ts';

/**
 * Names of the graph's inputs and outputs. T tokens are computed, P earlier positions are carried in, in B blocks of Q
 * queries that look at K key rows each (see `bands.ts`); H heads of width d in G key/value groups.
 */
export const INPUT = {
  /** i32[T]. */
  tokens: 'tokens',
  /** f32[T, d/2], rows of the rotary table at the tokens' positions. */
  cos: 'cos',
  sin: 'sin',
  /** f32[2 * layers, G, P, d]: rotated keys, then values, of each layer. */
  past: 'past',
  /** i32[B, Q]: the token that each query of a block is. */
  queryRows: 'query_rows',
  /** i32[B, K]: rows among the P + T keys that a block looks at. */
  keyRows: 'key_rows',
  /** f32[B or 1, Q, K], added to the scores: 0 or a large negative number. */
  mask: 'mask',
  /** i64[1]: the first of the P + T rows that `next` shall hold. */
  carryFrom: 'carry_from',
} as const;

export const OUTPUT = {
  /** f32[T], nats. */
  entropies: 'entropies',
  /** f32[T]. */
  norms: 'norms',
  /** f32[T, dim]. */
  preNorm: 'pre_norm',
  /** f32[T, vocabulary]. */
  logits: 'logits',
  /** f32[2 * layers, G, rows, d]: the `past` of the piece that follows. */
  next: 'next',
} as const;

export interface GraphOptions {
  /** Name of the weights file within the folder that the session is told. */
  readonly location: string;
}

/**
 * Writes the entropy model as an ONNX graph whose weights stay in the safetensors file. It computes one piece of one
 * document: token rows are never padded except inside attention, keys of earlier pieces come in through `past`, and
 * entropies and norms leave the graph as one number per token.
 */
export function entropyGraph(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Weight>,
  options: GraphOptions,
): Uint8Array {
  return new EntropyGraph(config, tensors, options.location).build();
}

class EntropyGraph {
  readonly #g = new OnnxBuilder();
  readonly #config: ModelConfig;
  readonly #tensors: ReadonlyMap<string, Weight>;
  readonly #location: string;
  readonly #widened = new Map<string, string>();
  readonly #carried: string[] = [];

  constructor(config: ModelConfig, tensors: ReadonlyMap<string, Weight>, location: string) {
    this.#config = config;
    this.#tensors = tensors;
    this.#location = location;
  }

  build(): Uint8Array {
    const g = this.#g;
    const { dim, layers, vocabSize } = this.#config;
    this.#declareInputs();
    let residual = g.op('Gather', [this.#weight('tok_embeddings.weight'), INPUT.tokens], { axis: 0 });
    let normed = this.#firstNorm(residual, 'layers.0.attention_norm.weight');
    for (let layer = 0; layer < layers; layer++) {
      const name = `layers.${layer}`;
      const attended = this.#attention(normed, layer);
      [normed, residual] = this.#addAndNorm(residual, attended, `${name}.ffn_norm.weight`);
      const fed = this.#feedForward(normed, name);
      const nextNorm = layer + 1 < layers ? `layers.${layer + 1}.attention_norm.weight` : 'norm.weight';
      [normed, residual] = this.#addAndNorm(residual, fed, nextNorm);
    }
    const logits = this.#linear(normed, 'output.weight');
    g.op('Identity', [logits], {}, OUTPUT.logits);
    g.op('Identity', [residual], {}, OUTPUT.preNorm);
    g.op('ReduceL2', [residual, g.ints(-1)], { keepdims: 0 }, OUTPUT.norms);
    const logProbabilities = g.op('LogSoftmax', [logits], { axis: -1 });
    const terms = g.op('Mul', [g.op('Exp', [logProbabilities]), logProbabilities]);
    g.op('Neg', [g.op('ReduceSum', [terms, g.ints(-1)], { keepdims: 0 })], {}, OUTPUT.entropies);
    g.op('Concat', this.#carried, { axis: 0 }, OUTPUT.next);
    g.output(OUTPUT.entropies, ONNX_TYPE.F32, ['T']);
    g.output(OUTPUT.norms, ONNX_TYPE.F32, ['T']);
    g.output(OUTPUT.preNorm, ONNX_TYPE.F32, ['T', dim]);
    g.output(OUTPUT.logits, ONNX_TYPE.F32, ['T', vocabSize]);
    g.output(OUTPUT.next, ONNX_TYPE.F32, [2 * layers, this.#config.kvHeads, 'next_P', this.#config.headDim]);
    return g.finish();
  }

  #declareInputs(): void {
    const { layers, kvHeads, headDim } = this.#config;
    const g = this.#g;
    g.input(INPUT.tokens, ONNX_TYPE.I32, ['T']);
    g.input(INPUT.cos, ONNX_TYPE.F32, ['T', headDim / 2]);
    g.input(INPUT.sin, ONNX_TYPE.F32, ['T', headDim / 2]);
    g.input(INPUT.past, ONNX_TYPE.F32, [2 * layers, kvHeads, 'P', headDim]);
    g.input(INPUT.queryRows, ONNX_TYPE.I32, ['B', 'Q']);
    g.input(INPUT.keyRows, ONNX_TYPE.I32, ['B', 'K']);
    g.input(INPUT.mask, ONNX_TYPE.F32, ['M', 'Q', 'K']);
    g.input(INPUT.carryFrom, ONNX_TYPE.I64, [1]);
  }

  #attention(x: string, layer: number): string {
    const g = this.#g;
    const { heads, kvHeads, headDim } = this.#config;
    const name = `layers.${layer}.attention`;
    const group = heads / kvHeads;
    const queries = this.#byHead(this.#rotate(this.#linear(x, `${name}.wq.weight`), heads), heads);
    const keys = this.#withPast(
      this.#byHead(this.#rotate(this.#linear(x, `${name}.wk.weight`), kvHeads), kvHeads),
      2 * layer,
    );
    const values = this.#withPast(this.#byHead(this.#linear(x, `${name}.wv.weight`), kvHeads), 2 * layer + 1);
    // [G, group, B, Q, d] against [G, 1, B, K, d]: the heads of a group share keys without copies of them
    const grouped = g.op('Reshape', [queries, g.ints(kvHeads, group, -1, headDim)]);
    const queryBlocks = g.op('Gather', [grouped, INPUT.queryRows], { axis: 2 });
    const keyBlocks = g.op('Unsqueeze', [g.op('Gather', [keys, INPUT.keyRows], { axis: 1 }), g.ints(1)]);
    const valueBlocks = g.op('Unsqueeze', [g.op('Gather', [values, INPUT.keyRows], { axis: 1 }), g.ints(1)]);
    const scale = { float: 1 / Math.sqrt(headDim) };
    const scores = g.microsoft('FusedMatMul', [queryBlocks, keyBlocks], { alpha: scale, transB: 1 });
    const weights = g.op('Softmax', [g.op('Add', [scores, INPUT.mask])], { axis: -1 });
    const mixed = g.op('MatMul', [weights, valueBlocks]);
    const rows = g.op('Transpose', [g.op('Reshape', [mixed, g.ints(heads, -1, headDim)])], { perm: [1, 0, 2] });
    const flat = g.op('Reshape', [rows, g.ints(-1, heads * headDim)]);
    const unpadded = g.op('Slice', [flat, g.ints(0), g.op('Shape', [INPUT.tokens]), g.ints(0)]);
    return this.#linear(unpadded, `${name}.wo.weight`);
  }

  #feedForward(x: string, layer: string): string {
    const g = this.#g;
    // QuickGelu with alpha 1 is x * sigmoid(x)
    const gate = g.microsoft('QuickGelu', [this.#linear(x, `${layer}.feed_forward.w1.weight`)], {
      alpha: { float: 1 },
    });
    const up = this.#linear(x, `${layer}.feed_forward.w3.weight`);
    return this.#linear(g.op('Mul', [gate, up]), `${layer}.feed_forward.w2.weight`);
  }

  /** Rotates adjacent pairs of [T, heads * d] by the given table rows. */
  #rotate(x: string, heads: number): string {
    const g = this.#g;
    const batch = g.op('Unsqueeze', [x, g.ints(0)]);
    return g.microsoft('RotaryEmbedding', [batch, g.ints(0), INPUT.cos, INPUT.sin], {
      interleaved: 1,
      num_heads: heads,
    });
  }

  /** [T, heads * d] to [heads, T, d]. */
  #byHead(x: string, heads: number): string {
    const g = this.#g;
    const split = g.op('Reshape', [x, g.ints(-1, heads, this.#config.headDim)]);
    return g.op('Transpose', [split], { perm: [1, 0, 2] });
  }

  /** Puts the carried rows in front and hands the last rows on to the next piece. */
  #withPast(rows: string, index: number): string {
    const g = this.#g;
    const past = g.op('Gather', [INPUT.past, g.index(index)], { axis: 0 });
    const all = g.op('Concat', [past, rows], { axis: 1 });
    const carried = g.op('Slice', [all, INPUT.carryFrom, g.ints(Number.MAX_SAFE_INTEGER), g.ints(1)]);
    this.#carried.push(g.op('Unsqueeze', [carried, g.ints(0)]));
    return all;
  }

  #firstNorm(x: string, weight: string): string {
    const attributes = { epsilon: { float: this.#config.normEps }, axis: -1, stash_type: 1 };
    return this.#g.op('SimplifiedLayerNormalization', [x, this.#weight(weight)], attributes);
  }

  /** residual + delta, and its norm: [norm, sum]. */
  #addAndNorm(residual: string, delta: string, weight: string): [string, string] {
    const outputs = [`${weight}:norm`, '', '', `${weight}:sum`];
    const inputs = [residual, delta, this.#weight(weight)];
    const attributes = { epsilon: { float: this.#config.normEps } };
    this.#g.node('SkipSimplifiedLayerNormalization', 'com.microsoft', inputs, outputs, attributes);
    return [`${weight}:norm`, `${weight}:sum`];
  }

  #linear(x: string, weight: string): string {
    return this.#g.op('Gemm', [x, this.#weight(weight)], { transB: 1 });
  }

  #weight(name: string): string {
    const known = this.#widened.get(name);
    if (known !== undefined) return known;
    const weight = this.#tensors.get(name);
    if (weight === undefined) throw new RangeError(`The graph needs ${name}, which the weights do not hold.`);
    const { offset, length } = weight;
    const external = this.#g.external(name, ONNX_TYPE[weight.dtype], weight.shape, {
      location: this.#location,
      offset,
      length,
    });
    const value = weight.dtype === 'F32' ? external : this.#g.op('Cast', [external], { to: ONNX_TYPE.F32 });
    this.#widened.set(name, value);
    return value;
  }
}
