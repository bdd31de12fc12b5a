import { SluiceError, SourceError } from '../../errors.ts';
import type { LayoutDocument } from '../../layouts/document.ts';
import { exactJson } from '../../layouts/exactJson.ts';
import { badLayout, type PatchRows } from '../../layouts/layout.ts';
import type { TableOptions } from '../../layouts/openTable.ts';
import type { Meta, Patches, Segment } from '../../records.ts';

/** What stands for signals that a file does not hold. Nothing is made up unless somebody says so. */
export interface Absent {
  /** For every patch of a file without norms. */
  readonly prominence?: number;
  /** For every patch of a file without entropies, nats. */
  readonly entropy?: number;
}

/** How patches are made of what a file holds. */
export interface Made extends TableOptions {
  readonly absent: Absent;
  /** Whether values carry quantized fields as the file has them, besides what they decode to. */
  readonly asStored?: boolean | undefined;
}

const HINT = 'the model has to read the bytes again; or say { absent: { %: 1 } } to have one value stand for all';

/**
 * Refuses a document that no sink could take.
 * @throws SluiceError `NO_BYTES`, `NO_SIGNALS`, `TRAILING_BYTES`
 */
export function requireUsable({ table }: LayoutDocument, absent: Absent): void {
  const { held, path, trailingBytes } = table;
  if (!held.bytes) {
    throw badLayout(
      path,
      'NO_BYTES',
      `holds no bytes of its patches (layout ${table.format})`,
      'openLayout reads its numbers; patches need the bytes they are',
    );
  }
  const lacks = (['prominence', 'entropy'] as const).find((name) => !held[name] && absent[name] === undefined);
  if (lacks !== undefined) {
    const what = `holds no ${lacks} of its patches (layout ${table.format})`;
    throw badLayout(path, 'NO_SIGNALS', what, HINT.replace('%', lacks));
  }
  if (trailingBytes > 0) {
    throw badLayout(
      path,
      'TRAILING_BYTES',
      `has ${trailingBytes} bytes behind its last patch`,
      'its patches were cut from something else than its bytes: run the original again',
    );
  }
}

/** Bytes of a document's patches, put together. */
export async function bytesOf({ table, firstPatch, patches, firstByte, bytes }: LayoutDocument): Promise<Uint8Array> {
  const all = new Uint8Array(bytes);
  const range = { from: firstPatch, to: firstPatch + patches, byteFrom: firstByte };
  for await (const rows of table.rows({ ...range, columns: ['bytes'] }))
    all.set(rows.bytes ?? new Uint8Array(0), rows.start - firstByte);
  return all;
}

/** Metadata as a sidecar keeps them, so that the same text comes of them again. */
export function metaFrom(json: string): Meta {
  // It was made of metadata.
  return exactJson(json) as Meta;
}

/** A run of patches of one segment, in one file. */
export interface SegmentRun {
  readonly segment: Segment;
  readonly document: LayoutDocument;
  readonly from: number;
  readonly to: number;
  /** Offset of the first byte in the file, and in the segment. */
  readonly byteFrom: number;
  readonly start: number;
  /** Whether the segment ends with it. */
  readonly last: boolean;
}

/**
 * The patches of a run as values.
 * @throws SourceError where the file is not what it was when it was looked at first
 */
export async function* valuesOf(run: SegmentRun, made: Made): AsyncGenerator<Patches, void, undefined> {
  const { from, to, byteFrom, document } = run;
  const { absent, asStored } = made;
  if (from === to) {
    if (!run.last) return;
    // nothing, in as many fields as all other values have
    const quantized = asStored === true ? await emptyFields(document) : {};
    yield patchesOf(run, { first: from, patches: 0, start: byteFrom, ...quantized }, absent, true);
    return;
  }
  try {
    for await (const rows of document.table.rows({ from, to, byteFrom, asStored })) {
      yield patchesOf(run, rows, absent, rows.first + rows.patches === to && run.last);
    }
  } catch (error) {
    throw spoilt(error);
  }
}

/** Some of a document is on its way already, so the reading cannot go on as if it had never been. */
function spoilt(error: unknown): unknown {
  if (!(error instanceof SluiceError) || error instanceof SourceError) return error;
  const { message, code, path, position, hint, cause } = error;
  return new SourceError(message, { code, path, position, hint, cause });
}

async function emptyFields({ table }: LayoutDocument): Promise<Pick<PatchRows, 'quantized'>> {
  const stored = await table.quantized();
  if (stored.length === 0) return {};
  const nothing = (count: number) => Array.from({ length: count }, () => new Uint8Array(0));
  return { quantized: stored.map((field) => ({ ...field, encoded: nothing(field.quantizer.parts.length) })) };
}

const NONE = new Float32Array(0);

function patchesOf(run: SegmentRun, rows: PatchRows, absent: Absent, last: boolean): Patches {
  const { segment, document } = run;
  const { lengths = new Int32Array(0), patches, start, embeddings } = rows;
  const prominence = rows.prominence ?? new Float32Array(patches).fill(absent.prominence ?? 0);
  const entropy = rows.entropy ?? new Float32Array(patches).fill(absent.entropy ?? 0);
  const offset = run.start + start - run.byteFrom;
  const length = lengths.reduce((sum, one) => sum + one, 0);
  return {
    segment,
    offset,
    bytes: segment.bytes.subarray(offset, offset + length),
    last,
    lengths,
    embeddings: embeddings ?? NONE,
    dim: document.table.dim,
    prominence,
    entropy,
    coherence: rows.coherence ?? coherenceOf(prominence, entropy),
    entropies: rows.entropies ?? NONE,
    norms: rows.norms ?? NONE,
    ...(rows.quantized === undefined ? {} : { quantized: rows.quantized }),
  };
}

/** As `patch` computes it. */
function coherenceOf(prominence: Float32Array, entropy: Float32Array): Float32Array {
  return Float32Array.from(prominence, (norm, i) => (norm * norm) / ((entropy[i] ?? 0) + 1e-6));
}
