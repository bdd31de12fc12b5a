import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { parseBytes } from '../run/memory.ts';
import { packageRoot } from '../run/version.ts';

/** Reads the value of a flag that takes a whole number from 1 on. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It takes a whole number from 1 on.');
  return value;
}

/** Reads the value of a flag that takes any finite number. */
export function finiteNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It takes a number.');
  return value;
}

/** Reads the value of a flag that takes a number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('It takes a number above 0.');
  return value;
}

/** Reads the value of a flag that takes a size in bytes, such as 512MB. */
export function sizeValue(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('It takes a size, such as 400000 or 512MB.');
  }
}

/** Reads the value of a flag that takes a share. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('It takes a number from 0 to 1.');
  return value;
}

/** What a user types to get here again: an installed package has a command, a checkout goes through its bootstrap. */
export const selfCommand = ((): string => {
  if (!import.meta.url.endsWith('.ts')) return 'sluice';
  const checkout = path.relative(process.cwd(), fileURLToPath(packageRoot));
  return checkout === '' ? 'npm run -s sluice --' : `node ${path.join(checkout, 'bootstrap.mjs')} src/cli/main.ts`;
})();
