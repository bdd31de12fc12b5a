import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '../errors.ts';
import { type LayoutDocument, wholeDocument } from './document.ts';
import { readJson } from './jsonGraph.ts';
import { badLayout, type PatchTable } from './layout.ts';
import { type GraphDocument, graphDocuments, openOldSidecar } from './oldGraph.ts';

const TENSORS = /\.safetensors$/i;

/**
 * Where the sidecar of an older file may lie, likeliest first. Writers replaced what they took for an extension: the
 * sidecar of `a.b.safetensors` was written as `a.hypergraph.db`, over that of `a.c.safetensors`.
 */
export function sidecarNames(file: string, metadata: Readonly<Record<string, string>>): string[] {
  const stem = file.replace(TENSORS, '');
  const { dir, name, ext } = path.parse(stem);
  const said = metadata['metadata_file'] ?? '';
  const isPlain = said === path.basename(said) && said.endsWith('.hypergraph.db');
  const names = [
    `${stem}.hypergraph.db`,
    ...(isPlain ? [path.join(dir, said)] : []),
    ...(ext === '' ? [] : [path.join(dir, `${name}.hypergraph.db`)]),
  ];
  return [...new Set(names)];
}

/** The older sort of sidecar, `<name>.metadata.json`. */
export function metadataName(file: string): string {
  return `${file.replace(TENSORS, '')}.metadata.json`;
}

/** Every file beside an older one that decides what is read of it. */
export function filesBeside(file: string, metadata: Readonly<Record<string, string>>): string[] {
  return [...sidecarNames(file, metadata), metadataName(file)].filter((name) => existsSync(name));
}

/**
 * The documents of a file of an older layout: one, or those of a corpus that its sidecar tells apart.
 * @param local path of the file on this machine; a member of an archive has none, and nothing beside it
 * @throws SluiceError `COUNT_MISMATCH` where a corpus and its sidecar do not belong together, `BAD_SIDECAR`, `BAD_JSON`
 */
export async function* olderDocuments(
  table: PatchTable,
  uri: string,
  local: string | undefined,
): AsyncGenerator<LayoutDocument, void, undefined> {
  const stem = path.posix.basename(uri).replace(TENSORS, '');
  const whole = wholeDocument(table.metadata['sample_id'] ?? stem, uri, table);
  const sidecar =
    local === undefined ? undefined : sidecarNames(local, table.metadata).find((name) => existsSync(name));
  if (sidecar === undefined) {
    yield local === undefined ? whole : { ...whole, ...(await fromMetadata(metadataName(local))) };
    return;
  }
  const graph = await openOldSidecar(sidecar);
  try {
    const documents = graphDocuments(graph);
    const first = documents.next();
    const second = documents.next();
    // a query that is not ended keeps the database open
    documents.return();
    if (first.done === true) yield whole;
    else if (second.done === true) yield await withTrunk(whole, first.value, path.basename(sidecar));
    else yield* ofCorpus(table, whole, graphDocuments(graph));
  } finally {
    graph.close();
  }
}

const HASH = /^[0-9a-f]{64}$/;

/** What a sidecar of one document adds, if it is this file's. */
async function withTrunk(whole: LayoutDocument, trunk: GraphDocument, sidecar: string): Promise<LayoutDocument> {
  const { table } = whole;
  const hash = HASH.test(trunk.sourceHash) ? trunk.sourceHash : undefined;
  const holdsSource = table.format === 'f4' || table.format === 'f5';
  const isOwn = !holdsSource || trunk.totalBytes === table.bytes + table.trailingBytes;
  // bytes behind the last patch belong to the source too, and are not among the rows
  const canTell = holdsSource && hash !== undefined && table.trailingBytes === 0;
  if (!isOwn || (canTell && (await sha256Of(table)) !== hash)) return { ...whole, foreignSidecar: sidecar };
  return {
    ...whole,
    ...(trunk.modality === undefined ? {} : { modality: trunk.modality, label: trunk.label }),
    ...(hash === undefined ? {} : { sha256: hash }),
    ...(holdsSource ? { byteLength: trunk.totalBytes } : {}),
  };
}

async function sha256Of(table: PatchTable): Promise<string> {
  const hash = createHash('sha256');
  for await (const { bytes } of table.rows({ columns: ['bytes'] })) hash.update(bytes ?? new Uint8Array(0));
  return hash.digest('hex');
}

/** Documents of a corpus: every leaf is a patch, in the order of the rows. */
async function* ofCorpus(
  table: PatchTable,
  whole: LayoutDocument,
  documents: Iterable<GraphDocument>,
): AsyncGenerator<LayoutDocument, void, undefined> {
  let firstPatch = 0;
  let firstByte = 0;
  let number = 0;
  for (const { sourceHash, totalBytes, modality, label, leaves } of documents) {
    if (firstPatch + leaves > table.patches) throw apart(table);
    const bytes = await bytesIn(table, firstPatch, firstPatch + leaves, firstByte);
    yield {
      ...whole,
      id: `${whole.id}#${number++}`,
      ...(modality === undefined ? {} : { modality, label }),
      ...(HASH.test(sourceHash) ? { sha256: sourceHash } : {}),
      byteLength: totalBytes,
      firstPatch,
      patches: leaves,
      firstByte,
      bytes,
    };
    firstPatch += leaves;
    firstByte += bytes;
  }
  if (firstPatch < table.patches) throw apart(table);
}

function apart(table: PatchTable): SluiceError {
  return badLayout(
    table.path,
    'COUNT_MISMATCH',
    `has ${table.patches} patches, and the documents of its sidecar do not add up to them`,
  );
}

/** Only lengths are read, so chunks may be large. */
const LENGTHS_ONLY = 256 << 20;

async function bytesIn(table: PatchTable, from: number, to: number, byteFrom: number): Promise<number> {
  let sum = 0;
  for await (const { lengths } of table.rows({ from, to, byteFrom, rowBytes: LENGTHS_ONLY, columns: [] })) {
    for (const length of lengths ?? []) sum += length;
  }
  return sum;
}

/** `modality` of a `.metadata.json`. */
async function fromMetadata(file: string): Promise<Partial<LayoutDocument>> {
  if (!existsSync(file)) return {};
  const value = await readJson(file);
  if (typeof value !== 'object' || value === null)
    throw new SluiceError(`'${file}' is no object`, { code: 'BAD_JSON', path: file });
  const { modality } = value as { readonly modality?: unknown };
  return typeof modality === 'string' ? { modality } : {};
}
