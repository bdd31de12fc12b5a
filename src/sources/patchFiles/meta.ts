import type { Meta } from '../../records.ts';

/** Metadata as a sidecar keeps it, so that the same text comes of it again: integers beyond 2^53 stay exact. */
export function metaFrom(json: string): Meta {
  // TypeScript's library does not know the third argument of a reviver (ECMA-262, JSON.parse source text access).
  return JSON.parse(json, exactly as (key: string, value: unknown) => unknown) as Meta;
}

function exactly(_key: string, value: unknown, { source = '' }: { readonly source?: string }): unknown {
  const inexact = typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source);
  return inexact ? BigInt(source) : value;
}
