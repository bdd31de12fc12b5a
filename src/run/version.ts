import { readFileSync } from 'node:fs';

/** The root of the package: the same from a checkout and from a build. */
export const packageRoot = new URL('../../', import.meta.url);

const manifest = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as { version: string };

export const version: string = manifest.version;
