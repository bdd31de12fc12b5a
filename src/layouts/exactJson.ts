/** JSON as a value; integers beyond 2^53 become bigint, by the digits in the text. Throws SyntaxError. */
export function exactJson(text: string): unknown {
  // TypeScript's library does not know the third argument of a reviver (ECMA-262, JSON.parse source text access).
  return JSON.parse(text, exactly as (key: string, value: unknown) => unknown);
}

function exactly(_key: string, value: unknown, { source = '' }: { readonly source?: string }): unknown {
  const inexact = typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source);
  return inexact ? BigInt(source) : value;
}
