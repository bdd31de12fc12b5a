import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

const versions = new Map<string, string>();

/** A package with its version, as it is installed: `parse5 8.1.1`; `sharp -` where it is not. */
export function withVersion(name: string): string {
  let text = versions.get(name);
  if (text === undefined) {
    text = `${name} ${versionOf(name) ?? '-'}`;
    versions.set(name, text);
  }
  return text;
}

function versionOf(name: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(findPackageJSON(name, import.meta.url) ?? '', 'utf8')) as {
      readonly version: string;
    };
    return version;
  } catch {
    return undefined;
  }
}
