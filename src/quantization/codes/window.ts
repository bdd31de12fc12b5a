import { quantizeWasm } from './quantizeWasm.ts';

/** Functions of tools/wasm/quantize.as.ts and what it is made of; numbers are addresses unless they say otherwise. */
interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer };
  magnitudes(source: number, rows: number, columns: number, block: number, target: number): number;
  extremes(source: number, rows: number, columns: number, block: number, leasts: number, mosts: number): number;
  addMagnitudes(source: number, rows: number, columns: number, sums: number): void;
  // biome-ignore format: one line for each function
  magnitudeSteps(mosts: number, count: number, divisor: number, reach: number, kind: number, inverses: number, stored: number): number;
  // biome-ignore format: one line for each function
  extremeSteps(leasts: number, mosts: number, count: number, low: number, high: number, kind: number, inverses: number, zeros: number, stored: number): number;
  meanSteps(sums: number, rows: number, columns: number, kind: number, inverses: number, stored: number): number;
  // biome-ignore format: one line for each function
  searchSteps(source: number, rows: number, columns: number, block: number, leasts: number, mosts: number, low: number, high: number, kind: number, inverses: number, zeros: number, stored: number): number;
  // biome-ignore format: one line for each function
  boundedCodes(source: number, rows: number, columns: number, block: number, inverses: number, zeros: number, low: number, high: number, bias: number, flip: number, target: number): void;
  // biome-ignore format: one line for each function
  clippedCodes8(source: number, rows: number, columns: number, block: number, inverses: number, zeros: number, middle: number, low: number, high: number, bias: number, away: number, flip: number, target: number): void;
  // biome-ignore format: one line for each function
  clippedCodes16(source: number, rows: number, columns: number, inverses: number, middle: number, low: number, high: number, bias: number, away: number, target: number): void;
  // biome-ignore format: one line for each function
  columnCodes(source: number, rows: number, columns: number, inverses: number, leasts: number, mosts: number, offsets: number, flip: number, target: number): void;
  signs(source: number, rows: number, columns: number, target: number): void;
  pack8(source: number, rows: number, columns: number, bits: number, target: number): void;
  pack16(source: number, rows: number, columns: number, bits: number, target: number): void;
  packTrits(source: number, rows: number, columns: number, target: number): void;
  // biome-ignore format: one line for each function
  unpack8(source: number, rows: number, columns: number, bits: number, table: number, target: number): bigint;
  unpack16(source: number, rows: number, columns: number, bits: number, target: number): bigint;
  tritTable(table: number): void;
  unpackTrits(source: number, rows: number, columns: number, table: number, target: number): bigint;
  // biome-ignore format: one line for each function
  values(source: number, rows: number, columns: number, block: number, scales: number, zeros: number, bias: number, flip: number, least: number, most: number, target: number): number;
  // biome-ignore format: one line for each function
  columnValues(source: number, rows: number, columns: number, scales: number, offsets: number, flip: number, least: number, target: number): number;
  // biome-ignore format: one line for each function
  quotients8(source: number, rows: number, columns: number, scales: number, middle: number, bias: number, divisor: number, most: number, target: number): number;
  // biome-ignore format: one line for each function
  quotients16(source: number, rows: number, columns: number, scales: number, middle: number, bias: number, divisor: number, most: number, target: number): number;
  signValues(source: number, rows: number, columns: number, scales: number, target: number): number;
  halves(source: number, count: number, target: number): number;
  floats(source: number, count: number): number;
}

/** Numbers that pass through the memory at once: they stay in the second-level cache beside their codes. */
export const WINDOW = 16_384;
/** Groups that pass through at once. */
export const MOST_GROUPS = 4096;

/** What functions write beyond the end of an array. */
const ROOM = 64;
/** Bytes of a number for each group or column. */
const SPAN = 4 * WINDOW + ROOM;
const TABLE = 1024;
const TRITS = 1088;
const FLOATS = 4096;
const CODES = FLOATS + SPAN;
const PACKED = CODES + 2 * WINDOW + ROOM;
const LEASTS = PACKED + 2 * WINDOW + ROOM;

/** Where things lie in the memory. */
export const places = {
  /** Of 64 bytes. */
  table: TABLE,
  trits: TRITS,
  /** f32[WINDOW]. */
  floats: FLOATS,
  /** Stored numbers before they are packed, 8 or 16 bits each. */
  codes: CODES,
  packed: PACKED,
  /** f32 a group or column, as those that follow. */
  leasts: LEASTS,
  mosts: LEASTS + SPAN,
  /** Scales that follow from them; in decoding, those that were kept. */
  inverses: LEASTS + 2 * SPAN,
  zeros: LEASTS + 3 * SPAN,
  /** Scales as they are kept. */
  stored: LEASTS + 4 * SPAN,
  /** f64[4] a row. */
  sums: LEASTS + 5 * SPAN,
} as const;

export interface Window {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Int32Array<ArrayBuffer>;
  readonly floats: Float32Array<ArrayBuffer>;
  readonly doubles: Float64Array<ArrayBuffer>;
}

let opened: Window | undefined;

/** The memory that rows pass through, one in a thread, with what works in it. Nothing stays in it from call to call. */
export function openWindow(): Window {
  if (opened !== undefined) return opened;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(quantizeWasm, 'base64')), {});
  // the module is ours: its functions are those above
  const kernels = exports as unknown as Kernels;
  const { buffer } = kernels.memory;
  kernels.tritTable(places.trits);
  opened = {
    kernels,
    bytes: new Uint8Array(buffer),
    words: new Int32Array(buffer),
    floats: new Float32Array(buffer),
    doubles: new Float64Array(buffer),
  };
  return opened;
}
