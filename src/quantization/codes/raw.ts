/** Below this zeros cost less than what they save. */
const SMALL = 1 << 18;

/**
 * Bytes of which every one is going to be written: larger ones hold what the memory held before, since making zeros of new
 * pages takes longer than encoding into them.
 */
export function rawBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length < SMALL ? new ArrayBuffer(length) : Buffer.allocUnsafeSlow(length).buffer);
}

/** What is given to write to, or new bytes. @throws RangeError for another length */
export function targetOf(given: Uint8Array<ArrayBuffer> | undefined, length: number): Uint8Array<ArrayBuffer> {
  if (given === undefined) return rawBytes(length);
  if (given.length === length) return given;
  throw new RangeError(`${given.length} bytes to write to, and ${length} to write.`);
}
