import { isUtf8 } from 'node:buffer';
import type { MetaValue } from '../records.ts';
import { Failure } from './failure.ts';
import { parseExactly } from './json-row.ts';
import { JsonValue } from './json-value.ts';
import type { Sample, SampleMember } from './samples.ts';

/** A member with more bytes is no metadata. */
const MOST_BYTES = 16 << 20;
/** Levels of nesting. */
const MOST_DEPTH = 100;
const INTEGER = /^\s*(-?\d{1,15})\s*$/;

const LONG_NUMBER = /\d{16}/;

type Fields = { readonly [name: string]: MetaValue };

/** Metadata of a sample: the fields of `json`, and the values of other members that are named, under their extensions. */
export function metaOf(
  sample: Sample,
  extensions: readonly string[],
  reject: (failure: Failure, member: SampleMember) => void,
): Fields {
  let fields: Fields = {};
  for (const extension of extensions) {
    const member = sample.members.get(extension);
    if (member === undefined) continue;
    try {
      const value = metaValue(member);
      fields = extension === 'json' && isObject(value) ? { ...fields, ...value } : { ...fields, [extension]: value };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reject(error, member);
    }
  }
  return fields;
}

const isObject = (value: MetaValue): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws Failure `META_TOO_LARGE`, `INVALID_UTF8`, `INVALID_JSON`, `TOO_DEEP` */
function metaValue({ name, extension, bytes }: SampleMember): MetaValue {
  if (bytes.length > MOST_BYTES) {
    const hint = 'Leave its extension out of meta.';
    throw new Failure('META_TOO_LARGE', `'${name}' has ${bytes.length} bytes, too many for metadata`, hint);
  }
  if (!isUtf8(bytes)) throw new Failure('INVALID_UTF8', `'${name}' is not UTF-8 text`);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  if (extension !== 'json' && !extension.endsWith('.json')) {
    const integer = INTEGER.exec(text)?.[1];
    return integer === undefined ? text : Number(integer);
  }
  const nesting = new JsonValue();
  nesting.begin();
  nesting.end(Buffer.from(text.trimStart()), 0);
  if (nesting.deepest > MOST_DEPTH) throw new Failure('TOO_DEEP', `'${name}' has more than ${MOST_DEPTH} levels`);
  try {
    // What JSON holds is what metadata may hold. Few numbers are so long that their digits must be asked for.
    return (LONG_NUMBER.test(text) ? parseExactly(text) : JSON.parse(text)) as MetaValue;
  } catch (error) {
    throw new Failure('INVALID_JSON', `'${name}' is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}
