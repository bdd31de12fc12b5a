import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSafetensorsHeader } from '../../src/formats/safetensors/read.ts';
import { type ModelConfig, readConfig } from '../../src/model/config.ts';

/**
 * The model in plain double precision, one document, no blocks and no carried state: slow and obvious.
 * Only the rotary angles are rounded to float32, because the reference defines them so.
 */
export function oracle(dir: string, tokens: ArrayLike<number>): { entropies: Float64Array; norms: Float64Array } {
  const c = readConfig(dir);
  const weight = readAll(dir);
  const count = tokens.length;
  const embedding = weight('tok_embeddings.weight');
  let x = new Float64Array(count * c.dim);
  for (let t = 0; t < count; t++) x.set(embedding.subarray(tokens[t]! * c.dim, (tokens[t]! + 1) * c.dim), t * c.dim);
  for (let layer = 0; layer < c.layers; layer++) {
    const name = `layers.${layer}`;
    const n = rms(x, weight(`${name}.attention_norm.weight`), c);
    const q = rotate(linear(n, weight(`${name}.attention.wq.weight`), c.dim), c.heads, c);
    const k = rotate(linear(n, weight(`${name}.attention.wk.weight`), c.dim), c.kvHeads, c);
    const v = linear(n, weight(`${name}.attention.wv.weight`), c.dim);
    const attended = attention(q, k, v, count, c);
    x = sum(x, linear(attended, weight(`${name}.attention.wo.weight`), c.heads * c.headDim));
    const f = rms(x, weight(`${name}.ffn_norm.weight`), c);
    const gate = linear(f, weight(`${name}.feed_forward.w1.weight`), c.dim);
    const up = linear(f, weight(`${name}.feed_forward.w3.weight`), c.dim);
    const inner = gate.map((z, i) => (z / (1 + Math.exp(-z))) * up[i]!);
    x = sum(x, linear(inner, weight(`${name}.feed_forward.w2.weight`), c.ffnHidden));
  }
  const logits = linear(rms(x, weight('norm.weight'), c), weight('output.weight'), c.dim);
  const rows = Array.from({ length: count }, (_, t) => t);
  return {
    entropies: Float64Array.from(rows, (t) => entropy(logits.subarray(t * c.vocabSize, (t + 1) * c.vocabSize))),
    norms: Float64Array.from(rows, (t) => Math.hypot(...x.subarray(t * c.dim, (t + 1) * c.dim))),
  };
}

function readAll(dir: string): (name: string) => Float64Array {
  const file = readFileSync(join(dir, 'model.safetensors'));
  const { tensors } = parseSafetensorsHeader(file, file.length);
  return (name) => {
    const { dtype, offset, length } = tensors.get(name)!;
    const bytes = new Uint8Array(file.subarray(offset, offset + length)).buffer;
    if (dtype === 'F32') return Float64Array.from(new Float32Array(bytes));
    const widened = Uint32Array.from(new Uint16Array(bytes), (half) => half << 16);
    return Float64Array.from(new Float32Array(widened.buffer));
  };
}

function linear(x: Float64Array, w: Float64Array, inputs: number): Float64Array {
  const count = x.length / inputs;
  const outputs = w.length / inputs;
  const y = new Float64Array(count * outputs);
  for (let t = 0; t < count; t++) {
    for (let o = 0; o < outputs; o++) {
      let s = 0;
      for (let i = 0; i < inputs; i++) s += x[t * inputs + i]! * w[o * inputs + i]!;
      y[t * outputs + o] = s;
    }
  }
  return y;
}

function rms(x: Float64Array, w: Float64Array, c: ModelConfig): Float64Array {
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += c.dim) {
    let s = 0;
    for (let d = 0; d < c.dim; d++) s += x[at + d]! ** 2;
    const scale = 1 / Math.sqrt(s / c.dim + c.normEps);
    for (let d = 0; d < c.dim; d++) y[at + d] = x[at + d]! * scale * w[d]!;
  }
  return y;
}

function rotate(x: Float64Array, heads: number, c: ModelConfig): Float64Array {
  const y = new Float64Array(x.length);
  const width = heads * c.headDim;
  for (let at = 0; at < x.length; at += 2) {
    const position = Math.floor(at / width);
    const pair = (at % c.headDim) / 2;
    const frequency = Math.fround(1 / Math.fround(c.ropeTheta ** Math.fround((2 * pair) / c.headDim)));
    const angle = Math.fround(position * frequency);
    y[at] = x[at]! * Math.cos(angle) - x[at + 1]! * Math.sin(angle);
    y[at + 1] = x[at]! * Math.sin(angle) + x[at + 1]! * Math.cos(angle);
  }
  return y;
}

function attention(q: Float64Array, k: Float64Array, v: Float64Array, count: number, c: ModelConfig): Float64Array {
  const out = new Float64Array(q.length);
  const d = c.headDim;
  for (let t = 0; t < count; t++) {
    for (let head = 0; head < c.heads; head++) {
      const shared = Math.floor(head / (c.heads / c.kvHeads));
      const at = (t * c.heads + head) * d;
      const first = Math.max(0, t - c.window + 1);
      const scores = Array.from({ length: t - first + 1 }, (_, j) => {
        let s = 0;
        for (let e = 0; e < d; e++) s += q[at + e]! * k[((first + j) * c.kvHeads + shared) * d + e]!;
        return s / Math.sqrt(d);
      });
      const most = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - most));
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((w, j) => {
        for (let e = 0; e < d; e++) out[at + e]! += (w / total) * v[((first + j) * c.kvHeads + shared) * d + e]!;
      });
    }
  }
  return out;
}

function sum(a: Float64Array, b: Float64Array): Float64Array<ArrayBuffer> {
  return Float64Array.from(a, (value, i) => value + b[i]!);
}

function entropy(logits: Float64Array): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  let z = 0;
  let s = 0;
  for (const logit of logits) {
    const w = Math.exp(logit - most);
    z += w;
    s += w * (logit - most);
  }
  return Math.log(z) - s / z;
}
