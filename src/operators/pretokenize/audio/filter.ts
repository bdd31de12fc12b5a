/**
 * The low-pass filter of a resampler: a sinc under a Kaiser window (Kaiser and Schafer, 1980), cut into phases. Lengths
 * are in samples of the lower of both rates, frequencies in parts of half that rate.
 */

/** Zero crossings on each side. */
const REACH = 32;
/** Shape of the window: 100 dB of attenuation. */
const BETA = 10.06;
/** Where the filter is 6 dB down. From none to all of the attenuation it takes 0.2, half of it on either side. */
const CUTOFF = 0.92;
/** Bytes of the rows of a filter at most; a filter of more phases makes each row when it is its turn. */
const MOST_BYTES = 2 << 20;
/** Places of the response for one of its zero crossings, where it is read from a table; the error is below -140 dB. */
const PLACES = 4096;
/** Filters that are kept. */
const KEPT = 8;

/** Modified Bessel function of the first kind, order 0, by its series. */
function bessel(x: number): number {
  const quarter = (x * x) / 4;
  let term = 1;
  let sum = 1;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= quarter / (n * n);
    sum += term;
  }
  return sum;
}

const WHOLE = bessel(BETA);

/** sin(pi x), by its series: sums and products alone, which are the same wherever this runs. */
function sinPi(x: number): number {
  const turn = x - 2 * Math.round(x / 2);
  const folded = turn > 0.5 ? 1 - turn : turn < -0.5 ? -1 - turn : turn;
  const angle = Math.PI * folded;
  let term = angle;
  let sum = 0;
  for (let n = 2; n < 26; n += 2) {
    sum += term;
    term *= (-angle * angle) / (n * (n + 1));
  }
  return sum;
}

/** The impulse response at a distance from its middle. */
function response(distance: number): number {
  const place = distance / REACH;
  if (place >= 1) return 0;
  const turns = CUTOFF * distance;
  const sinc = turns === 0 ? 1 : sinPi(turns) / (Math.PI * turns);
  return (sinc * bessel(BETA * Math.sqrt(1 - place * place))) / WHOLE;
}

let table: Float64Array | undefined;

/** The same, between two places of a table: for rows that are made one by one. */
function tabled(distance: number): number {
  table ??= Float64Array.from({ length: REACH * PLACES + 2 }, (_, place) => response(place / PLACES));
  if (distance >= REACH) return 0;
  const place = Math.floor(distance * PLACES);
  const low = table[place] ?? 0;
  return low + (distance * PLACES - place) * ((table[place + 1] ?? 0) - low);
}

/** What turns samples at one rate into samples at another; the rates are `down / up` of each other. */
export interface PolyphaseFilter {
  readonly up: number;
  readonly down: number;
  /** Weights of a row, a multiple of 4. The one at `taps / 2 - 1` is for the sample at or before the instant. */
  readonly taps: number;
  /** f32[up, taps]; absent where there are too many phases to keep. */
  readonly rows?: Float32Array | undefined;
  /** Writes the weights for instants `phase / up` behind a sample; they sum to 1. */
  row(phase: number, into: Float32Array): void;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

function design(up: number, down: number): PolyphaseFilter {
  /** Distances of the filter for one sample of the input. */
  const scale = Math.min(1, up / down);
  const half = 2 * Math.ceil(REACH / scale / 2);
  const taps = 2 * half;
  const keeps = 4 * up * taps <= MOST_BYTES;
  const responds = keeps ? response : tabled;
  const exact = new Float64Array(taps);
  const row = (phase: number, into: Float32Array): void => {
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const weight = responds(Math.abs(tap - half + 1 - phase / up) * scale);
      exact[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) into[tap] = (exact[tap] ?? 0) / sum;
  };
  if (!keeps) return { up, down, taps, row };
  const rows = new Float32Array(up * taps);
  for (let phase = 0; phase < up; phase++) row(phase, rows.subarray(phase * taps, (phase + 1) * taps));
  return { up, down, taps, rows, row };
}

const kept = new Map<string, PolyphaseFilter>();

/** The filter between two rates, in whole hertz. */
export function filterFor(from: number, to: number): PolyphaseFilter {
  const divisor = greatestDivisor(from, to);
  const up = to / divisor;
  const down = from / divisor;
  const key = `${up}/${down}`;
  let filter = kept.get(key);
  if (filter === undefined) {
    filter = design(up, down);
    const oldest = kept.size < KEPT ? undefined : kept.keys().next().value;
    if (oldest !== undefined) kept.delete(oldest);
    if (filter.rows !== undefined) kept.set(key, filter);
  }
  return filter;
}
