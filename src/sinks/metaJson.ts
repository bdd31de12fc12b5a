import type { DocumentHead, Meta, MetaValue } from '../records.ts';

/**
 * A document's metadata as JSON text with sorted keys, the same on every run. bigint becomes an integer of any size,
 * bytes become `{"base64": "..."}`, dates ISO 8601 text; numbers and dates that JSON cannot say become null.
 */
export function metaJson(meta: Meta): string {
  return jsonOf(meta);
}

function jsonOf(value: MetaValue): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'null' : JSON.stringify(value);
  if (value instanceof Uint8Array) {
    return `{"base64":"${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}"}`;
  }
  if (isList(value)) return `[${value.map(jsonOf).join(',')}]`;
  const members: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${jsonOf(member)}`);
  }
  return `{${members.join(',')}}`;
}

function isList(value: object): value is readonly MetaValue[] {
  return Array.isArray(value);
}

const cache = new WeakMap<DocumentHead, string>();

/** `metaJson` of a document's metadata, made once however many sinks ask. */
export function headMetaJson(head: DocumentHead): string {
  let json = cache.get(head);
  if (json === undefined) {
    json = metaJson(head.meta);
    cache.set(head, json);
  }
  return json;
}
