import { writeSync } from 'node:fs';

/** Writes all bytes where the file stands; a call of the system may take fewer. */
export function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}
