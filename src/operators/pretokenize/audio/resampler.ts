import { filterFor, type PolyphaseFilter } from './filter.ts';
import { resampleWasm } from './resampleWasm.ts';

/** What tools/wasm/resample.as.ts exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  resample(
    input: number,
    rows: number,
    taps: number,
    up: number,
    down: number,
    phase: number,
    count: number,
    output: number,
  ): void;
  quantise(input: number, count: number, scale: number, output: number): number;
}

const PAGE = 64 << 10;
/** Samples of a channel that are taken at a time. */
export const BLOCK = 1 << 14;
/** Behind what the compiler may keep at low addresses. */
const FIRST = 1024;

let compiled: WebAssembly.Module | undefined;

export interface ResamplerOptions {
  /** Samples a second, whole. */
  readonly from: number;
  readonly to: number;
  readonly channels: number;
}

/**
 * Brings samples from one rate to another: sample k of the output is the input at the time k / `to`, by a polyphase filter
 * with a Kaiser window over 64 zero crossings, whose delay is taken out. The ratio is exact, so that there is no drift;
 * beyond both ends lies silence. N samples become ceil(N * to / from). Sums are in single precision and the same on
 * every machine, whatever blocks samples come in. Equal rates pass samples as they are.
 *
 *     const resampler = new Resampler({ from: 44100, to: 16000, channels: 1 });
 *     resampler.room(0).set(samples);
 *     resampler.push(samples.length, take);
 *     resampler.finish(take);
 */
export class Resampler {
  readonly #wasm: Exports;
  readonly #filter: PolyphaseFilter | undefined;
  readonly #channels: number;
  readonly #rows: number;
  readonly #window: number;
  readonly #windowBytes: number;
  readonly #output: number;
  readonly #quantised: number;
  /** Samples in the windows, and the number of the first one of these among all of the input. */
  #held: number;
  #first: number;
  #taken = 0;
  #given = 0;

  constructor({ from, to, channels }: ResamplerOptions) {
    const filter = from === to ? undefined : filterFor(from, to);
    const taps = filter?.taps ?? 0;
    this.#filter = filter;
    this.#channels = channels;
    compiled ??= new WebAssembly.Module(Buffer.from(resampleWasm, 'base64'));
    // what the module exports is written in its source
    this.#wasm = new WebAssembly.Instance(compiled, {}).exports as unknown as Exports;
    this.#rows = FIRST;
    this.#window = this.#rows + 4 * (filter?.rows?.length ?? taps);
    this.#windowBytes = 4 * (taps + BLOCK);
    this.#output = this.#window + channels * this.#windowBytes;
    this.#quantised = this.#output + 4 * BLOCK;
    const { memory } = this.#wasm;
    memory.grow(Math.ceil((this.#quantised + 2 * BLOCK) / PAGE) - memory.buffer.byteLength / PAGE);
    if (filter?.rows !== undefined) new Float32Array(memory.buffer, this.#rows, filter.rows.length).set(filter.rows);
    this.#held = filter === undefined ? 0 : taps / 2 - 1;
    this.#first = -this.#held;
  }

  /** Where up to {@link BLOCK} samples of a channel are to be written before `push`. */
  room(channel: number): Float32Array {
    return new Float32Array(
      this.#wasm.memory.buffer,
      this.#window + channel * this.#windowBytes + 4 * this.#held,
      BLOCK,
    );
  }

  /**
   * Takes the samples written to the rooms of all channels.
   * @param take is given what they become, {@link BLOCK} at most at a time: all channels of a stretch, then the next
   */
  push(samples: number, take: (output: ResampledBlock) => void): void {
    this.#held += samples;
    this.#taken += samples;
    this.#give(Number.POSITIVE_INFINITY, take);
  }

  /** Takes the silence behind the last sample. */
  finish(take: (output: ResampledBlock) => void): void {
    if (this.#filter === undefined) return;
    const { taps, up, down } = this.#filter;
    const most = Math.ceil((this.#taken * up) / down);
    for (let left = taps / 2; left > 0; left -= BLOCK) {
      const samples = Math.min(left, BLOCK);
      for (let channel = 0; channel < this.#channels; channel++) this.room(channel).fill(0, 0, samples);
      this.#held += samples;
      this.#give(most, take);
    }
  }

  #give(most: number, take: (output: ResampledBlock) => void): void {
    if (this.#filter === undefined) {
      if (this.#held !== 0) take(this.#block(this.#held, (channel) => this.#window + channel * this.#windowBytes));
      this.#given += this.#held;
      this.#held = 0;
      return;
    }
    const { taps, up, down } = this.#filter;
    const half = taps / 2;
    // instants before this sample have all samples that their filter covers
    const before = this.#first + this.#held - half;
    const until = Math.min(most, Math.ceil((before * up) / down));
    while (this.#given < until) {
      const count = Math.min(BLOCK, until - this.#given);
      const start = this.#given;
      take(this.#block(count, (channel) => this.#filtered(this.#filter as PolyphaseFilter, channel, start, count)));
      this.#given += count;
    }
    this.#drop(Math.floor((this.#given * down) / up) - half + 1 - this.#first);
  }

  /** Forgets samples that no further instant needs. */
  #drop(samples: number): void {
    const gone = Math.max(0, Math.min(samples, this.#held));
    for (let channel = 0; channel < this.#channels; channel++) {
      const window = new Float32Array(this.#wasm.memory.buffer, this.#window + channel * this.#windowBytes, this.#held);
      window.copyWithin(0, gone);
    }
    this.#held -= gone;
    this.#first += gone;
  }

  #filtered({ taps, up, down, rows, row }: PolyphaseFilter, channel: number, start: number, count: number): number {
    const window = this.#window + channel * this.#windowBytes;
    const inputOf = (instant: number) => window + 4 * (Math.floor((instant * down) / up) - taps / 2 + 1 - this.#first);
    if (rows !== undefined) {
      const phase = (start * down) % up;
      this.#wasm.resample(inputOf(start), this.#rows, taps, up, down, phase, count, this.#output);
      return this.#output;
    }
    const own = new Float32Array(this.#wasm.memory.buffer, this.#rows, taps);
    for (let n = 0; n < count; n++) {
      row(((start + n) * down) % up, own);
      this.#wasm.resample(inputOf(start + n), this.#rows, taps, 1, 1, 0, 1, this.#output + 4 * n);
    }
    return this.#output;
  }

  #block(samples: number, place: (channel: number) => number): ResampledBlock {
    const { memory, quantise } = this.#wasm;
    return {
      samples,
      floats: (channel) => new Float32Array(memory.buffer, place(channel), samples),
      quantised: (channel, scale) => {
        const beyond = quantise(place(channel), samples, scale, this.#quantised);
        return { samples: new Int16Array(memory.buffer, this.#quantised, samples), beyond };
      },
    };
  }
}

/** Some samples of every channel; what is asked for of one channel lasts until the next is asked for. */
export interface ResampledBlock {
  readonly samples: number;
  floats(channel: number): Float32Array;
  /** Times `scale`, to the nearest, ties to even, within 16 bits; and how many lay beyond. */
  quantised(channel: number, scale: number): { readonly samples: Int16Array; readonly beyond: number };
}
