import { canonicalJson, type JsonValue } from '../../json.ts';
import type { Document, DocumentHead } from '../../records.ts';
import { headMetaJson, metaJson } from '../metaJson.ts';
import { joined, patchFileChunks } from '../patchColumns.ts';
import { type PatchDocument, patchFacts } from '../patchDocument.ts';
import { payloadExtension } from './extension.ts';
import type { Member } from './tarShard.ts';

/** What a sample may be made of, in the order of its members. */
export const kinds = ['safetensors', 'json', 'payload'] as const;

export type MemberKind = (typeof kinds)[number];

/** Members of one sample, and what they count as. */
export interface Sample {
  readonly members: readonly Member[];
  /** 1 where a document begins with it. */
  readonly documents: number;
  readonly patches: number;
  readonly bytes: number;
}

/** The sample of a document, or of a part of one, that arrives as patches. */
export async function sampleOfPatches(
  document: PatchDocument,
  key: string,
  wanted: readonly MemberKind[],
): Promise<Sample> {
  const { document: head, columns, dim, part, complete, patches, bytes, modality, derived } = document;
  const members: Member[] = [];
  if (wanted.includes('safetensors')) {
    const file = [...patchFileChunks({ patches, bytes, dim, parts: [{ kept: columns }] }, {})];
    members.push({ name: `${key}.safetensors`, bytes: sizeOf(file), chunks: file });
  }
  if (wanted.includes('json')) {
    members.push(jsonMember(key, head, headMetaJson(head), { modality, ...patchFacts(document) }));
  }
  if (wanted.includes('payload')) {
    const payload = joined(columns.bytes);
    const own = derived.length === 0 && bytes === head.byteLength;
    const whole = part === 0 && complete;
    const extension = await payloadExtension({ bytes: payload, source: head.source, own, whole });
    members.push({ name: `${key}.${extension}`, bytes, chunks: [payload] });
  }
  return { members, documents: part === 0 ? 1 : 0, patches, bytes };
}

/** The sample of a document that arrives as it is. */
export async function sampleOfDocument(
  document: Document,
  key: string,
  wanted: readonly MemberKind[],
): Promise<Sample> {
  const { bytes, source, modality, meta } = document;
  const members: Member[] = [];
  if (wanted.includes('json')) {
    members.push(jsonMember(key, document, metaJson(meta), { modality, total_bytes: bytes.length }));
  }
  if (wanted.includes('payload')) {
    const extension = await payloadExtension({ bytes, source, own: true, whole: true });
    members.push({ name: `${key}.${extension}`, bytes: bytes.length, chunks: [bytes] });
  }
  return { members, documents: 1, patches: 0, bytes: bytes.length };
}

/** Facts with sorted keys; metadata are JSON already, since large integers in them stay exact. */
function jsonMember(
  key: string,
  { id, record, source }: Pick<DocumentHead, 'id' | 'record' | 'source'>,
  meta: string,
  facts: Readonly<Record<string, JsonValue | undefined>>,
): Member {
  const { uri, position } = source;
  const members = { ...facts, id, record, uri, position: { ...position } };
  const texts = Object.entries(members).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, canonicalJson(value)]],
  );
  texts.push(['meta', meta]);
  texts.sort(([a], [b]) => (a < b ? -1 : 1));
  const bytes = Buffer.from(`{${texts.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`);
  return { name: `${key}.json`, bytes: bytes.length, chunks: [bytes] };
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
