import { Failure } from '../sources/failure.ts';

/**
 * Why a member must not be known by its name: unpacked, it would lie outside of the folder that the archive is unpacked
 * into, on one system or another. Undefined for a harmless name.
 */
export function unsafeName(name: string): Failure | undefined {
  const parts = name.split(/[/\\]/);
  const unsafe =
    name === '' || name.includes('\0') || parts[0] === '' || /^[A-Za-z]:/.test(name) || parts.includes('..');
  if (!unsafe) return undefined;
  return new Failure('UNSAFE_PATH', `the member name ${JSON.stringify(name)} leads out of the archive`);
}
