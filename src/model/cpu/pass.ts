import type { ModelConfig } from '../config.ts';
import type { RopeTable } from '../rope.ts';
import { type Band, bandOf } from './bands.ts';
import type { ForwardResult, ForwardTask, KeyValues } from './forward.ts';
import { INPUT, OUTPUT } from './onnx/ports.ts';
import { type Feeds, floats, type Runtime } from './session.ts';

type Outputs = Parameters<typeof floats>[0];

/** One pass while it is computed: turns its task into the inputs of the graphs, and their outputs into its result. */
export class Pass {
  readonly tokens: number;
  readonly #config: ModelConfig;
  readonly #tensor: Runtime['Tensor'];
  readonly #task: ForwardTask;
  readonly #rope: { readonly cos: Float32Array; readonly sin: Float32Array };
  readonly #band: Band;
  readonly #past: Float32Array;
  readonly #pastRows: number;
  readonly #carried: number;
  readonly #next: Float32Array<SharedArrayBuffer> | undefined;

  constructor(task: ForwardTask, config: ModelConfig, rope: RopeTable, tensor: Runtime['Tensor']) {
    const { layers, kvHeads, headDim, window } = config;
    this.#config = config;
    this.#tensor = tensor;
    this.#task = task;
    this.tokens = task.tokens.length;
    this.#pastRows = task.past?.rows ?? 0;
    this.#past = pastOf(task, config, rope);
    this.#rope = rope.rows(task.position, this.tokens);
    this.#band = bandOf({ tokens: this.tokens, past: this.#pastRows, window, firstRows: task.firstRows });
    this.#carried = task.carry ? Math.min(this.#pastRows + this.tokens, window - 1) : 0;
    const values = 2 * layers * kvHeads * this.#carried * headDim;
    this.#next = values === 0 ? undefined : memoryFor(values, task.into);
  }

  /** The tokens. */
  tokenFeeds(): Feeds {
    return { [INPUT.tokens]: new this.#tensor('int32', this.#task.tokens, [this.tokens]) };
  }

  /** What attention reads in every layer alike. */
  attentionFeeds(): Feeds {
    const { headDim } = this.#config;
    const band = this.#band;
    const { blocks, queriesPerBlock } = band;
    const i64 = (values: readonly number[]) => new this.#tensor('int64', BigInt64Array.from(values, BigInt), [blocks]);
    return {
      [INPUT.cos]: this.#f32(this.#rope.cos, this.tokens, headDim / 2),
      [INPUT.sin]: this.#f32(this.#rope.sin, this.tokens, headDim / 2),
      [INPUT.blocks]: new this.#tensor('int64', BigInt64Array.of(BigInt(blocks)), []),
      [INPUT.queryRows]: new this.#tensor('int32', band.queryRows, [blocks, queriesPerBlock]),
      [INPUT.keyStarts]: i64(band.keyStarts),
      [INPUT.keyEnds]: i64(band.keyEnds),
      [INPUT.mask]: this.#f32(band.mask, band.masks, queriesPerBlock, band.maskWidth),
      [INPUT.maskRows]: i64(band.maskRows),
      [INPUT.maskStarts]: i64(band.maskStarts),
      [INPUT.maskEnds]: i64(band.maskEnds),
      [INPUT.carryFrom]: new this.#tensor(
        'int64',
        BigInt64Array.of(BigInt(this.#pastRows + this.tokens - this.#carried)),
        [1],
      ),
    };
  }

  /** Keys and values of one layer, under the names of layer `as` of the graph. */
  pastFeeds(layer: number, as = layer): Feeds {
    const { kvHeads, headDim } = this.#config;
    const half = (index: number) => this.#f32(part(this.#past, index, this.#config), kvHeads, this.#pastRows, headDim);
    return { [INPUT.pastKeys(as)]: half(2 * layer), [INPUT.pastValues(as)]: half(2 * layer + 1) };
  }

  /** What the graph shall return of one layer. */
  nextNames(layer: number): string[] {
    return this.#next === undefined ? [] : [OUTPUT.nextKeys(layer), OUTPUT.nextValues(layer)];
  }

  /** Keeps what layer `as` of the graph returned. */
  takeNext(outputs: Outputs, layer: number, as = layer): void {
    if (this.#next === undefined) return;
    for (const [half, name] of [OUTPUT.nextKeys(as), OUTPUT.nextValues(as)].entries()) {
      const rows = floats(outputs, name);
      part(this.#next, 2 * layer + half, this.#config).set(rows);
      // a worker makes so little garbage of its own that nobody would collect these for long
      rows.buffer.transfer(0);
    }
  }

  /** What the end of the model shall return. */
  headNames(): string[] {
    const { preNorm, logits } = this.#task;
    return [OUTPUT.entropies, OUTPUT.norms, ...(preNorm ? [OUTPUT.preNorm] : []), ...(logits ? [OUTPUT.logits] : [])];
  }

  result(outputs: Outputs): ForwardResult {
    const { preNorm, logits } = this.#task;
    const next: KeyValues | undefined =
      this.#next === undefined ? undefined : { rows: this.#carried, data: this.#next };
    return {
      entropies: floats(outputs, OUTPUT.entropies),
      norms: floats(outputs, OUTPUT.norms),
      ...(preNorm ? { preNorm: floats(outputs, OUTPUT.preNorm) } : {}),
      ...(logits ? { logits: floats(outputs, OUTPUT.logits) } : {}),
      ...(next === undefined ? {} : { next }),
    };
  }

  #f32(data: Float32Array, ...shape: number[]): InstanceType<Runtime['Tensor']> {
    return new this.#tensor('float32', data, shape);
  }
}

function memoryFor(
  values: number,
  offered: Float32Array<SharedArrayBuffer> | undefined,
): Float32Array<SharedArrayBuffer> {
  return offered?.subarray(0, values) ?? new Float32Array(new SharedArrayBuffer(4 * values));
}

/** The carried rows of a task, keys turned back where it says so. */
function pastOf({ past, rebase }: ForwardTask, config: ModelConfig, rope: RopeTable): Float32Array {
  const { layers, kvHeads, headDim } = config;
  if (past === undefined) return new Float32Array(0);
  const expected = 2 * layers * kvHeads * past.rows * headDim;
  if (past.data.length !== expected) {
    throw new RangeError(`The past of ${past.rows} rows has ${past.data.length} values; expected ${expected}.`);
  }
  if (rebase === undefined) return past.data;
  const turned = past.data.slice();
  rope.turnBack(
    Array.from({ length: layers }, (_, layer) => part(turned, 2 * layer, config)),
    rebase,
  );
  return turned;
}

/** One of the 2 * layers equal parts. */
function part<T extends Float32Array>(data: T, index: number, { layers }: ModelConfig): Float32Array {
  const size = data.length / (2 * layers);
  return data.subarray(index * size, (index + 1) * size);
}
