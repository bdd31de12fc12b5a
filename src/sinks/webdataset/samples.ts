import type { Document, DocumentHead } from '../../records.ts';
import type { ChunkList } from '../chunkList.ts';
import { headMetaJson, metaJson } from '../metaJson.ts';
import { addPatches, emptyColumns, type PatchColumns, patchFileChunks } from '../patchColumns.ts';
import type { Keeper, Shard } from '../shardCut.ts';
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

export interface KeptDocument {
  readonly modality: string;
  readonly columns: PatchColumns;
  /** How its segments were derived, where they are not the record's own bytes. */
  readonly derived: Set<string>;
}

export const documentKeeper: Keeper<KeptDocument> = {
  open: ({ segment }) => ({ modality: segment.modality, columns: emptyColumns(), derived: new Set() }),
  add(kept, slice) {
    addPatches(kept.columns, slice);
    const { derived } = slice.value.segment.origin;
    if (derived !== undefined) kept.derived.add(derived);
  },
};

/** The sample of a document, or of a part of one, that arrives as patches. */
export async function sampleOfPatches(
  shard: Shard<KeptDocument>,
  key: string,
  wanted: readonly MemberKind[],
): Promise<Sample> {
  const [part] = shard.parts;
  if (part === undefined) throw new Error('a sample of no document');
  const { document, kept, patches, bytes, complete } = part;
  const { columns, derived } = kept;
  const members: Member[] = [];
  if (wanted.includes('safetensors')) {
    const file = [...patchFileChunks({ patches, bytes, dim: shard.dim, parts: [{ kept: columns }] }, {})];
    members.push({ name: `${key}.safetensors`, bytes: sizeOf(file), chunks: file });
  }
  if (wanted.includes('json')) {
    const text = jsonOf(document, {
      meta: headMetaJson(document),
      modality: JSON.stringify(kept.modality),
      num_patches: patches,
      total_bytes: bytes,
      embed_dim: shard.dim,
      part: part.part,
      complete,
      derived: derived.size === 0 ? undefined : JSON.stringify([...derived].sort()),
    });
    members.push(jsonMember(key, text));
  }
  if (wanted.includes('payload')) {
    const whole = part.part === 0 && complete;
    const own = derived.size === 0 && bytes === document.byteLength;
    const payload = joined(columns.bytes);
    const extension = await payloadExtension({ bytes: payload, source: document.source, own, whole });
    members.push({ name: `${key}.${extension}`, bytes, chunks: [payload] });
  }
  return { members, documents: part.part === 0 ? 1 : 0, patches, bytes };
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
    const text = jsonOf(document, {
      meta: metaJson(meta),
      modality: modality === undefined ? undefined : JSON.stringify(modality),
      total_bytes: bytes.length,
    });
    members.push(jsonMember(key, text));
  }
  if (wanted.includes('payload')) {
    const extension = await payloadExtension({ bytes, source, own: true, whole: source.position.part === undefined });
    members.push({ name: `${key}.${extension}`, bytes: bytes.length, chunks: [bytes] });
  }
  return { members, documents: 1, patches: 0, bytes: bytes.length };
}

/** JSON with sorted keys, of members that are numbers, flags or JSON already: large integers in metadata stay exact. */
function jsonOf(
  { id, record, source }: Pick<DocumentHead, 'id' | 'record' | 'source'>,
  more: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const members: Record<string, string | number | boolean | undefined> = {
    ...more,
    id: JSON.stringify(id),
    record: record === undefined ? undefined : JSON.stringify(record),
    uri: JSON.stringify(source.uri),
    position: metaJson({ ...source.position }),
  };
  const keys = Object.keys(members).sort();
  const texts = keys.flatMap((key) => (members[key] === undefined ? [] : [`${JSON.stringify(key)}:${members[key]}`]));
  return `{${texts.join(',')}}`;
}

function jsonMember(key: string, text: string): Member {
  const bytes = Buffer.from(text);
  return { name: `${key}.json`, bytes: bytes.length, chunks: [bytes] };
}

function joined(list: ChunkList): Uint8Array {
  const chunks = [...list];
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
