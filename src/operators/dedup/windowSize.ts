import { PipelineError } from '../../errors.ts';
import type { Banding } from '../../lsh/bands.ts';
import { bytesPerDocument } from '../../lsh/bandTables.ts';
import { ShortSignature } from '../../lsh/shortSignature.ts';

/** What a window is asked to be. */
export interface WindowLimit {
  /** Default: 100,000, or what the bytes allow. */
  readonly documents?: number | undefined;
  /** Memory for them and for the ids of those that were kept. Default: what so many documents take. */
  readonly bytes?: number | undefined;
}

/** What a window is: of the documents it has room for, the latest half is always there. */
export interface WindowSize {
  readonly documents: number;
  readonly bytes: number;
}

export interface WindowContent {
  readonly near: boolean;
  readonly verify: 'signature' | 'jaccard';
  readonly banding: Banding;
  readonly components: number;
}

const DEFAULT_DOCUMENTS = 100_000;
const MOST_DOCUMENTS = 2 ** 30;
/** 128 bits of a hash, two slots of four bytes. */
const HASH_BYTES = 24;
/** A place in a list with room to grow, and an object that says which document was kept. */
const KNOWN_BYTES = 68;
/** An array with bytes of its own and a place in a map, besides these bytes. */
const CONTENT_BYTES = 360;
/** A string besides its characters. */
const STRING_BYTES = 20;
/** What a window is sized for: an id of 32 characters, and where documents are kept, 2 KB. */
const TYPICAL_ID = STRING_BYTES + 32;
const TYPICAL_CONTENT = 2048;
/** Room for ids, or for documents, even in the smallest window. */
const LEAST_IDS = 128 << 10;
const LEAST_CONTENTS = 4 << 20;

/** A larger document is compared by its signature: exactly it would take seconds, and sixteen times its size. */
const MOST_CONTENT = 1 << 20;
/** Two sets of shingles, for each byte of the largest content. */
const COMPARING_BYTES = 32;

/** Bytes that a document takes in a window, whatever its id and its content. */
function fixedBytes({ near, verify, banding, components }: WindowContent): number {
  if (!near) return HASH_BYTES + KNOWN_BYTES;
  const inIndex = bytesPerDocument(new ShortSignature(banding, components));
  return inIndex + HASH_BYTES + KNOWN_BYTES + (verify === 'jaccard' ? CONTENT_BYTES : 0);
}

/** The window of documents that fits a limit. Throws PipelineError `BAD_WINDOW` where two documents do not. */
export function windowSize(limit: WindowLimit, content: WindowContent): WindowSize {
  const keepsContents = content.near && content.verify === 'jaccard';
  const typical = fixedBytes(content) + TYPICAL_ID + (keepsContents ? TYPICAL_CONTENT : 0);
  const least = keepsContents ? LEAST_CONTENTS : LEAST_IDS;
  const fitting = limit.bytes === undefined ? Number.POSITIVE_INFINITY : (limit.bytes - least) / typical;
  const asked = limit.documents ?? (limit.bytes === undefined ? DEFAULT_DOCUMENTS : Number.POSITIVE_INFINITY);
  const documents = Math.min(asked, fitting);
  if (!(documents >= 2 && documents <= MOST_DOCUMENTS)) {
    throw new PipelineError(`dedup: a window of ${describe(limit)} is not possible`, {
      code: 'BAD_WINDOW',
      hint: `give room for 2 to 2^30 documents: ${least} bytes, and ${typical} more for each of them`,
    });
  }
  const whole = Math.floor(documents);
  return { documents: whole, bytes: limit.bytes ?? least + whole * typical };
}

/** How the halves of a window are bounded. */
export interface HalfLimits {
  readonly documents: number;
  /** Bytes of ids, and of documents where they are kept. */
  readonly bytes: number;
  /** The largest document that is kept. */
  readonly mostContent: number;
}

export function halfLimits(size: WindowSize, content: WindowContent): HalfLimits {
  const bytes = Math.floor((size.bytes - size.documents * fixedBytes(content)) / 2);
  return {
    documents: Math.floor(size.documents / 2),
    bytes,
    mostContent: Math.min(MOST_CONTENT, bytes / 4),
  };
}

/** Memory that a window takes at most: for a moment, while an index grows, more than its size, and exact comparisons. */
export function windowHolds(size: WindowSize, content: WindowContent): number {
  const growing = (fixedBytes(content) * size.documents) / 8;
  const comparing = content.near && content.verify === 'jaccard' ? COMPARING_BYTES * MOST_CONTENT : 0;
  return Math.ceil(size.bytes + growing + comparing);
}

/** What an id takes. Characters beyond ASCII may take two bytes each. */
export function idBytes(id: string): number {
  const ascii = Buffer.byteLength(id) === id.length;
  return STRING_BYTES + (ascii ? id.length : 2 * id.length);
}

function describe({ documents, bytes }: WindowLimit): string {
  const parts = { documents, bytes };
  return Object.entries(parts)
    .filter(([, size]) => size !== undefined)
    .map(([unit, size]) => `${size} ${unit}`)
    .join(' and ');
}
