import { ModelError } from '../errors.ts';
import type { GgufMetadata, GgufValue } from '../formats/gguf/types.ts';
import type { BlockType } from '../kernels/blocks/layout.ts';
import { MODALITIES, type Modality } from '../records.ts';
import { type ModelConfig, requireWindow } from './config.ts';
import { REFERENCE_ROW_TOKENS } from './reference.ts';
import type { AutoThresholds } from './thresholds.ts';
import { BOS_ID, BYTE_OFFSET, EOS_ID } from './tokenizer.ts';

const ARCHITECTURE = 'llama';
/** Own keys, for what the architecture has no key for. */
const KIND_KEY = 'sluice.model';
const KIND = 'byte-entropy';
const THRESHOLD_KEY = 'sluice.auto_threshold';
const VOCABULARY = 256 + BYTE_OFFSET;

/** `general.file_type` of llama.cpp: what most tensors are. */
const fileTypes: Readonly<Record<BlockType, number>> = { F32: 0, F16: 1, Q8_0: 7, Q4_K: 14, Q6_K: 18, BF16: 32 };

/** The metadata of a GGUF file whose linear weights are mostly `type`. */
export function ggufMetadata(config: ModelConfig, thresholds: AutoThresholds, type: BlockType): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  const text = (key: string, value: string) => metadata.set(key, { type: 'string', value });
  const size = (key: string, value: number) => metadata.set(key, { type: 'uint32', value });
  const number = (key: string, value: number) => metadata.set(key, floatValue(value));
  text('general.architecture', ARCHITECTURE);
  size('general.quantization_version', 2);
  size('general.file_type', fileTypes[type]);
  size('llama.context_length', REFERENCE_ROW_TOKENS);
  size('llama.embedding_length', config.dim);
  size('llama.block_count', config.layers);
  size('llama.feed_forward_length', config.ffnHidden);
  size('llama.vocab_size', config.vocabSize);
  size('llama.attention.head_count', config.heads);
  size('llama.attention.head_count_kv', config.kvHeads);
  size('llama.attention.key_length', config.headDim);
  size('llama.attention.value_length', config.headDim);
  size('llama.attention.sliding_window', config.window);
  number('llama.attention.layer_norm_rms_epsilon', config.normEps);
  size('llama.rope.dimension_count', config.headDim);
  number('llama.rope.freq_base', config.ropeTheta);
  text('tokenizer.ggml.model', 'none');
  size('tokenizer.ggml.bos_token_id', BOS_ID);
  size('tokenizer.ggml.eos_token_id', config.eosId);
  text(KIND_KEY, KIND);
  const { autoThreshold, modalityThresholds } = thresholds;
  if (autoThreshold !== undefined) metadata.set(THRESHOLD_KEY, { type: 'float32', value: autoThreshold });
  for (const modality of MODALITIES) {
    const value = modalityThresholds[modality];
    if (value !== undefined) metadata.set(`${THRESHOLD_KEY}.${modality}`, { type: 'float32', value });
  }
  return metadata;
}

export interface GgufFacts extends AutoThresholds {
  readonly config: ModelConfig;
}

/**
 * What the metadata of a GGUF file says about a byte entropy model.
 *
 * @throws ModelError `MODEL_UNSUPPORTED` for another kind of model, `MODEL_CONFIG` for a key that is missing or wrong
 */
export function ggufFacts(metadata: GgufMetadata, path: string): GgufFacts {
  const read = new Reader(metadata, path);
  const architecture = read.text('general.architecture');
  if (architecture !== ARCHITECTURE) {
    throw read.unsupported(`its architecture is "${architecture}"; only "${ARCHITECTURE}" is known`);
  }
  const dim = read.size('llama.embedding_length');
  const heads = read.size('llama.attention.head_count');
  const kvHeads = read.size('llama.attention.head_count_kv', heads);
  const headDim = read.size('llama.attention.key_length', dim / heads);
  const vocabSize = read.size('llama.vocab_size');
  if (heads % kvHeads !== 0) throw read.unsupported(`${heads} heads are no multiple of ${kvHeads} key/value heads`);
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw read.unsupported(`width ${dim} with ${heads} heads gives no even head size (${headDim})`);
  }
  refuseOtherKinds(read, vocabSize, headDim);
  const config: ModelConfig = {
    dim,
    layers: read.size('llama.block_count'),
    heads,
    kvHeads,
    headDim,
    ffnHidden: read.size('llama.feed_forward_length'),
    vocabSize,
    normEps: read.number('llama.attention.layer_norm_rms_epsilon'),
    ropeTheta: read.number('llama.rope.freq_base', 10_000),
    window: read.size('llama.attention.sliding_window'),
    eosId: read.size('tokenizer.ggml.eos_token_id', EOS_ID),
  };
  requireWindow(config.window, path);
  const modalityThresholds: Partial<Record<Modality, number>> = {};
  for (const modality of MODALITIES) {
    const value = read.float32(`${THRESHOLD_KEY}.${modality}`);
    if (value !== undefined) modalityThresholds[modality] = value;
  }
  return { config, autoThreshold: read.float32(THRESHOLD_KEY), modalityThresholds };
}

function refuseOtherKinds(read: Reader, vocabSize: number, headDim: number): void {
  const kind = read.optionalText(KIND_KEY);
  if (kind === undefined ? vocabSize !== VOCABULARY : kind !== KIND) {
    throw read.unsupported(
      kind === undefined
        ? `its vocabulary has ${vocabSize} tokens, and no key ${KIND_KEY} says that these are bytes`
        : `its ${KIND_KEY} is "${kind}"; only "${KIND}" is known`,
    );
  }
  if (vocabSize < VOCABULARY)
    throw read.unsupported(`${vocabSize} tokens are less than 256 bytes and 4 special tokens`);
  const bos = read.size('tokenizer.ggml.bos_token_id', BOS_ID);
  if (bos !== BOS_ID) throw read.unsupported(`a document begins with token ${bos} instead of ${BOS_ID}`);
  if (!read.has('llama.attention.sliding_window')) {
    throw read.unsupported('it has no llama.attention.sliding_window, so every token would see all before it');
  }
  for (const key of ['llama.rope.dimension_count', 'llama.attention.value_length']) {
    if (read.size(key, headDim) !== headDim) throw read.unsupported(`${key} is not the head size, ${headDim}`);
  }
  const scaling = read.optionalText('llama.rope.scaling.type') ?? 'none';
  if (scaling !== 'none') throw read.unsupported(`its rotary positions are scaled (${scaling})`);
  if (read.has('llama.expert_count')) throw read.unsupported('it is a mixture of experts');
}

class Reader {
  readonly #metadata: GgufMetadata;
  readonly #path: string;

  constructor(metadata: GgufMetadata, path: string) {
    this.#metadata = metadata;
    this.#path = path;
  }

  has(key: string): boolean {
    return this.#metadata.has(key);
  }

  optionalText(key: string): string | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined || value.type === 'string') return value?.value;
    throw this.#wrong(key, 'a string');
  }

  text(key: string): string {
    return this.optionalText(key) ?? this.#missing(key);
  }

  /** A whole number above 0, of any integer type. */
  size(key: string, otherwise?: number): number {
    const value = this.#metadata.get(key);
    if (value === undefined) return otherwise ?? this.#missing(key);
    const size = typeof value.value === 'number' || typeof value.value === 'bigint' ? Number(value.value) : 0;
    if (Number.isSafeInteger(size) && size > 0) return size;
    throw this.#wrong(key, 'a whole number above 0');
  }

  /** A number above 0; float32 as the shortest decimal that is rounded to it. */
  number(key: string, otherwise?: number): number {
    const value = this.#metadata.get(key);
    if (value === undefined) return otherwise ?? this.#missing(key);
    const number = value.type === 'float32' ? shortest(value.value) : value.type === 'float64' ? value.value : 0;
    if (Number.isFinite(number) && number > 0) return number;
    throw this.#wrong(key, 'a float above 0');
  }

  /** A float32 number as it is. */
  float32(key: string): number | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined || (value.type === 'float32' && Number.isFinite(value.value))) return value?.value;
    throw this.#wrong(key, 'a finite float32');
  }

  unsupported(why: string): ModelError {
    return new ModelError(`The model in ${this.#path} is not supported: ${why}.`, {
      code: 'MODEL_UNSUPPORTED',
      path: this.#path,
      hint: 'sluice quantize makes a GGUF file of a byte entropy model.',
    });
  }

  #missing(key: string): never {
    throw new ModelError(`${this.#path} has no key ${key}.`, { code: 'MODEL_CONFIG', path: this.#path });
  }

  #wrong(key: string, expected: string): ModelError {
    const { type, value } = this.#metadata.get(key) ?? {};
    const found =
      typeof value === 'object' ? `an array of ${value.of}` : `the ${type} ${JSON.stringify(String(value))}`;
    return new ModelError(`${key} in ${this.#path} is ${found}; expected ${expected}.`, {
      code: 'MODEL_CONFIG',
      path: this.#path,
    });
  }
}

/** float32, as other programs expect it, unless reading it gives another number. */
function floatValue(value: number): GgufValue {
  return { type: shortest(Math.fround(value)) === value ? 'float32' : 'float64', value };
}

/** `0.00001` for the float32 next to it, whose exact value is 0.00000999999974... */
function shortest(float: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(float.toPrecision(digits));
    if (Math.fround(decimal) === float) return decimal;
  }
  return float;
}
