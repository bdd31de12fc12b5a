import { float32From, int32From, int64From } from './littleEndian.ts';

/** Says what is wrong with a file, in words that end a sentence about it. */
export type Complain = (what: string) => void;

/** The content of an array in pieces, each a whole number of its elements, little-endian. */
export type Pieces = AsyncIterable<Uint8Array>;

/** Checks that f32 values are finite and no less than `least`; tells of the first that is not. */
export async function checkFloats(name: string, pieces: Pieces, least: number, complain: Complain): Promise<void> {
  let index = 0;
  for await (const piece of pieces) {
    const values = float32From(piece);
    const bad = values.findIndex((value) => !(Number.isFinite(value) && value >= least));
    if (bad >= 0) {
      complain(`has ${name}[${index + bad}] = ${values[bad]}`);
      return;
    }
    index += values.length;
  }
}

/** Checks that i32 lengths of patches are positive and add up to `bytes`. */
export async function checkLengths(pieces: Pieces, bytes: number, complain: Complain): Promise<void> {
  let sum = 0;
  let shortest = 1;
  for await (const piece of pieces) {
    for (const length of int32From(piece)) {
      sum += length;
      shortest = Math.min(shortest, length);
    }
  }
  if (shortest < 1) complain(`has a patch of ${shortest} bytes`);
  if (sum !== bytes) complain(`has patch lengths that add up to ${sum}, and ${bytes} bytes`);
}

/** Checks that i64 offsets begin with 0, never fall, and end with `end`. `what` names one of them. */
export async function checkOffsets(what: string, pieces: Pieces, end: number, complain: Complain): Promise<boolean> {
  let sound = true;
  const bad = (fault: string): void => {
    sound = false;
    complain(fault);
  };
  let previous = 0n;
  let index = 0;
  for await (const piece of pieces) {
    for (const offset of int64From(piece)) {
      if (index === 0 ? offset !== 0n : offset < previous) bad(`has ${what} ${index} at ${offset}`);
      previous = offset;
      index++;
    }
  }
  if (previous !== BigInt(end)) bad(`has a last ${what} of ${previous}, and it should be ${end}`);
  return sound;
}
