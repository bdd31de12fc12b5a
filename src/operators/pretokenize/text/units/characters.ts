import { isUtf8 } from 'node:buffer';
import { classAt } from '../../../../tokenizers/characterClasses.ts';
import type { Divide } from './divide.ts';

/** Bytes of the character of UTF-8 that begins at `at`; 1 where none does. */
export const widthAt = (bytes: Uint8Array, at: number): number => classAt(bytes, at, bytes.length) >> 3;

const isLead = (byte: number): boolean => (byte & 0xc0) !== 0x80;

/** One unit for each code point, and for each byte that is part of none. */
export const divideCharacters: Divide = (bytes, budget) => {
  const valid = isUtf8(bytes);
  let count = 0;
  if (valid) for (const byte of bytes) count += isLead(byte) ? 1 : 0;
  else for (let at = 0; at < bytes.length; at += widthAt(bytes, at)) count++;
  budget.take(8 * count, 'the list of its characters');
  const ends = new Float64Array(count);
  let character = 0;
  if (valid) {
    for (let at = 1; at < bytes.length; at++) if (isLead(bytes[at] ?? 0)) ends[character++] = at;
    ends[character] = bytes.length;
  } else {
    for (let at = 0; at < bytes.length; ) {
      at += widthAt(bytes, at);
      ends[character++] = at;
    }
  }
  return { ends, labels: ['char'] };
};
