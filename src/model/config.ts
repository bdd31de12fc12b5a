import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import type { JsonValue } from '../json.ts';

/** The facts of an entropy model that decide its numbers. */
export interface ModelConfig {
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  /** Key/value heads; `heads / kvHeads` query heads share one. */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Width of the gated feed-forward layer. */
  readonly ffnHidden: number;
  readonly vocabSize: number;
  readonly normEps: number;
  readonly ropeTheta: number;
  /** Keys a query sees, itself included. */
  readonly window: number;
  /** The token that ends a document inside a packed row. */
  readonly eosId: number;
}

/**
 * Reads `config.json` of a model folder in the Hub layout: one key `args` with the model's arguments
 * (facebookresearch/blt, LMTransformerArgs). Missing keys take that program's defaults.
 * Throws ModelError `MODEL_CONFIG` for what is not an object with `args`, or `MODEL_UNSUPPORTED` for another kind of model.
 */
export function readConfig(dir: string): ModelConfig {
  return parseConfig(readConfigJson(dir), join(dir, 'config.json'));
}

/** The parsed `config.json` of a model folder; see {@link readConfig}. */
export function readConfigJson(dir: string): unknown {
  const path = join(dir, 'config.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ModelError(`There is no model in ${dir}: config.json cannot be read.`, {
      code: 'MODEL_MISSING',
      path,
      cause,
      hint: 'A model folder holds config.json and model.safetensors, as on the Hub, or model.gguf; the name of a GGUF file ends in .gguf.',
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ModelError('config.json is not valid JSON.', { code: 'MODEL_CONFIG', path, cause });
  }
}

/** The checked form of a parsed `config.json`; see {@link readConfig}. */
export function parseConfig(value: unknown, path?: string): ModelConfig {
  const args = isObject(value) ? value.args : undefined;
  if (!isObject(args)) {
    throw new ModelError('config.json has no object "args".', {
      code: 'MODEL_CONFIG',
      path,
      hint: 'Expected the layout of facebook/blt-entropy: {"args": {"dim": ..., "n_layers": ...}}.',
    });
  }
  const read = new Reader(args, path);
  refuseOtherKinds(read);
  const dim = read.size('dim', 512);
  const givenHeads = read.optionalSize('n_heads');
  const givenHeadDim = read.optionalSize('head_dim');
  const headDim = givenHeadDim ?? dim / (givenHeads ?? read.fail('n_heads', 'a number, or head_dim'));
  const heads = givenHeads ?? dim / headDim;
  if (!Number.isInteger(heads) || !Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw read.unsupported(
      `dim ${dim} with n_heads ${givenHeads} and head_dim ${givenHeadDim} gives no even head size`,
    );
  }
  const kvHeads = read.optionalSize('n_kv_heads') ?? heads;
  if (heads % kvHeads !== 0) throw read.unsupported(`n_heads ${heads} is no multiple of n_kv_heads ${kvHeads}`);
  const vocabSize = read.size('vocab_size', 260);
  const window = read.optionalSize('sliding_window') ?? read.fail('sliding_window', 'a number of tokens');
  requireWindow(window, path);
  if (vocabSize < 260) throw read.unsupported(`vocab_size ${vocabSize} is less than 256 bytes and 4 special tokens`);
  return {
    dim,
    layers: read.size('n_layers', 8),
    heads,
    kvHeads,
    headDim,
    ffnHidden: ffnHidden(dim, read.optionalNumber('ffn_dim_multiplier'), read.size('multiple_of', 256)),
    vocabSize,
    normEps: read.number('norm_eps', 1e-5),
    ropeTheta: read.number('rope_theta', 10000),
    window,
    eosId: read.optionalSize('eos_id') ?? 2,
  };
}

/** Memory grows with the window, and rotary positions start again here. */
const MOST_WINDOW = 131_072;

/** @throws ModelError `MODEL_UNSUPPORTED` */
export function requireWindow(window: number, path: string | undefined): void {
  if (window <= MOST_WINDOW) return;
  throw new ModelError(
    `This kind of model is not supported: a window of ${window} tokens is more than ${MOST_WINDOW}.`,
    {
      code: 'MODEL_UNSUPPORTED',
      path,
    },
  );
}

/** Two thirds of four times the width, scaled, then rounded up: the reference's rule for the gated feed-forward layer. */
export function ffnHidden(dim: number, multiplier: number | undefined, multipleOf: number): number {
  const plain = Math.trunc((2 * (4 * dim)) / 3);
  const scaled = multiplier === undefined ? plain : Math.trunc(multiplier * plain);
  return multipleOf * Math.ceil(scaled / multipleOf);
}

/** The member `args` of a `config.json` that {@link parseConfig} reads as `config`. */
export function configArgs(config: ModelConfig): Record<string, JsonValue> {
  const { dim, ffnHidden: hidden } = config;
  return {
    attn_bias_type: 'local_block_causal',
    dim,
    n_layers: config.layers,
    n_heads: config.heads,
    n_kv_heads: config.kvHeads,
    head_dim: config.headDim,
    // one multiple of the width itself, whatever rule it came from
    multiple_of: hidden,
    ffn_dim_multiplier: Math.min(1, hidden / ffnHidden(dim, undefined, 1)),
    vocab_size: config.vocabSize,
    norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    sliding_window: config.window,
    eos_id: config.eosId,
  };
}

function refuseOtherKinds(read: Reader): void {
  const bias = read.value('attn_bias_type');
  if (bias !== 'local_block_causal') {
    throw read.unsupported(`attn_bias_type is ${JSON.stringify(bias ?? null)}; only "local_block_causal" is known`);
  }
  if (read.value('weight_tying') === true)
    throw read.unsupported('weight_tying is true; the output weights must be their own');
  if (read.value('rope_use_fp32_in_outer_product') === true) {
    throw read.unsupported('rope_use_fp32_in_outer_product is true');
  }
}

class Reader {
  readonly #args: Record<string, unknown>;
  readonly #path: string | undefined;

  constructor(args: Record<string, unknown>, path: string | undefined) {
    this.#args = args;
    this.#path = path;
  }

  /** A null counts as absent: the reference writes it for "not set". */
  value(key: string): unknown {
    return this.#args[key] ?? undefined;
  }

  optionalNumber(key: string): number | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    return typeof value === 'number' && value > 0 && Number.isFinite(value)
      ? value
      : this.fail(key, 'a number above 0');
  }

  optionalSize(key: string): number | undefined {
    const value = this.optionalNumber(key);
    return value === undefined || Number.isSafeInteger(value) ? value : this.fail(key, 'a whole number');
  }

  number(key: string, otherwise: number): number {
    return this.optionalNumber(key) ?? otherwise;
  }

  size(key: string, otherwise: number): number {
    return this.optionalSize(key) ?? otherwise;
  }

  fail(key: string, expected: string): never {
    throw new ModelError(`args.${key} is ${JSON.stringify(this.value(key) ?? null)}; expected ${expected}.`, {
      code: 'MODEL_CONFIG',
      path: this.#path,
    });
  }

  unsupported(why: string): ModelError {
    return new ModelError(`This kind of model is not supported: ${why}.`, {
      code: 'MODEL_UNSUPPORTED',
      path: this.#path,
    });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
