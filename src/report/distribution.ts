/** Finite f32 values in as many passes as are asked for. */
export type Floats = () => AsyncIterable<Float32Array>;

export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Of the population. */
  readonly std: number;
  /** Nearest rank: the value at index round((count - 1) * p / 100) of the sorted values; exact. */
  readonly percentiles: {
    readonly p25: number;
    readonly p50: number;
    readonly p75: number;
    readonly p90: number;
    readonly p95: number;
    readonly p99: number;
  };
  /** Bins of equal width from min to max, the last one closed; `edges` has one entry more than `counts`. */
  readonly histogram: {
    readonly bin_width: number;
    readonly edges: readonly number[];
    readonly counts: readonly number[];
  };
}

const ranks = { p25: 25, p50: 50, p75: 75, p90: 90, p95: 95, p99: 99 } as const;

/**
 * Exact statistics of any number of f32 values in 512 KiB of memory: the first pass counts the high halves of their bit
 * patterns, ordered as the numbers are; the second counts the low halves within those that hold a percentile.
 * Undefined where there are no values.
 */
export async function distributionOf(values: Floats, bins = 50): Promise<Distribution | undefined> {
  const high = new Float64Array(1 << 16);
  let count = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let mean = 0;
  let squares = 0;
  for await (const chunk of values()) {
    const keys = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let i = 0; i < chunk.length; i++) {
      const value = chunk[i] ?? 0;
      const key = ordered(keys[i] ?? 0) >>> 16;
      high[key] = (high[key] ?? 0) + 1;
      count++;
      if (value < min) min = value;
      if (value > max) max = value;
      const off = value - mean;
      mean += off / count;
      squares += off * (value - mean);
    }
  }
  if (count === 0) return undefined;
  const width = max > min ? (max - min) / bins : 1;
  return {
    count,
    min,
    max,
    mean,
    std: Math.sqrt(squares / count),
    ...(await secondPass(values, high, { count, min, width, bins })),
  };
}

interface FirstPass {
  readonly count: number;
  readonly min: number;
  readonly width: number;
  readonly bins: number;
}

/** A percentile between its passes: its high half is known, and how many values of that half lie below it. */
interface Wanted {
  readonly high: number;
  readonly below: number;
}

async function secondPass(
  values: Floats,
  high: Float64Array,
  first: FirstPass,
): Promise<Pick<Distribution, 'percentiles' | 'histogram'>> {
  const { count, min, width, bins } = first;
  const wanted = new Map(
    Object.entries(ranks).map(([name, rank]) => [name, locate(high, Math.round(((count - 1) * rank) / 100))]),
  );
  const low = new Map([...wanted.values()].map((place) => [place.high, new Float64Array(1 << 16)]));
  const counts = Array<number>(bins).fill(0);
  for await (const chunk of values()) {
    const keys = new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let i = 0; i < chunk.length; i++) {
      const bin = Math.min(bins - 1, Math.floor(((chunk[i] ?? 0) - min) / width));
      counts[bin] = (counts[bin] ?? 0) + 1;
      const key = ordered(keys[i] ?? 0);
      const within = low.get(key >>> 16);
      if (within !== undefined) within[key & 0xffff] = (within[key & 0xffff] ?? 0) + 1;
    }
  }
  const at = (name: keyof typeof ranks): number => {
    const place = wanted.get(name) ?? { high: 0, below: 0 };
    const within = locate(low.get(place.high) ?? new Float64Array(0), place.below).high;
    return floatOf(((place.high << 16) | within) >>> 0);
  };
  return {
    percentiles: { p25: at('p25'), p50: at('p50'), p75: at('p75'), p90: at('p90'), p95: at('p95'), p99: at('p99') },
    histogram: { bin_width: width, edges: Array.from({ length: bins + 1 }, (_, i) => min + i * width), counts },
  };
}

/** The slot that holds the value of a rank, and the rank within that slot. */
function locate(counts: Float64Array, rank: number): Wanted {
  let below = rank;
  for (let slot = 0; slot < counts.length; slot++) {
    const here = counts[slot] ?? 0;
    if (below < here) return { high: slot, below };
    below -= here;
  }
  return { high: 0, below: 0 };
}

/** Bit patterns of f32 in the order of their values: negative ones reversed, below the others. */
function ordered(bits: number): number {
  return (bits >>> 31 === 1 ? ~bits : bits | 0x80000000) >>> 0;
}

function floatOf(key: number): number {
  const bits = key >>> 31 === 1 ? key & 0x7fffffff : ~key;
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits >>> 0);
  return view.getFloat32(0);
}
