import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

const versions = new Map<string, string>();

/** A package with its version, as it is installed: `parse5 8.1.1`. */
export function withVersion(name: string): string {
  let text = versions.get(name);
  if (text === undefined) {
    const path = findPackageJSON(name, import.meta.url);
    const { version } = JSON.parse(readFileSync(path ?? '', 'utf8')) as { readonly version: string };
    text = `${name} ${version}`;
    versions.set(name, text);
  }
  return text;
}
