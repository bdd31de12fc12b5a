import { InvalidArgumentError } from 'commander';

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

/** What a user types to get here again: a checkout goes through its bootstrap, an installed package has a command. */
export const selfCommand = import.meta.url.endsWith('.ts') ? 'npm run -s sluice --' : 'sluice';
