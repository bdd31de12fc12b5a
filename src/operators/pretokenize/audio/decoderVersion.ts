import { readFileSync } from 'node:fs';
import { version as ownVersion } from '../../../run/version.ts';

/** Name and version of a package, as installed: `opus-decoder 0.7.12`. */
export function packageVersion(name: string): string {
  const manifest = new URL('package.json', import.meta.resolve(name));
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return `${name} ${version}`;
}

/** What is decoded without a library. */
export const ownDecoder = `sluice ${ownVersion}`;
