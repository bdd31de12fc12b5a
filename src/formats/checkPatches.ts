import { type Complain, checkFloats, checkLengths, checkOffsets, type Pieces } from './checkNumbers.ts';
import { fileChunks } from './fileChunks.ts';
import { PATCHES_FORMAT, SIGNALS_FORMAT } from './names.ts';
import {
  parseSafetensorsHeader,
  readSafetensorsHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors/read.ts';
import { safetensorsHeader } from './safetensors/write.ts';

/** A file by its path, or its bytes in memory. */
type Content = string | Uint8Array;

/** The sizes that a commit record says a shard has. */
export interface ExpectedShard {
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
}

/**
 * Checks a `blt_patches_v3` file: layout byte for byte, types and shapes, metadata, and that patch lengths are positive
 * and add up to the bytes and every number is finite. Reads the file once, 1 MiB at a time.
 *
 * @throws SluiceError `SAFETENSORS_*` where it cannot be parsed at all
 */
export async function checkPatches(file: Content, expected: ExpectedShard, complain: Complain): Promise<void> {
  const header =
    typeof file === 'string' ? await readSafetensorsHeader(file) : parseSafetensorsHeader(file, file.length);
  await checkLayout(file, header, complain);
  const { patches, bytes, dim } = expected;
  const wanted: [string, string, number[]][] = [
    ['embeddings', 'F32', [patches, dim]],
    ['patch_entropies', 'F32', [patches]],
    ['prominence', 'F32', [patches]],
    ['patch_lengths', 'I32', [patches]],
    ['bytes', 'U8', [bytes]],
  ];
  if (!checkTensors(header, wanted, complain)) return;
  checkMetadata(
    header,
    { format: PATCHES_FORMAT, num_patches: patches, n_patches: patches, total_bytes: bytes, embed_dim: dim },
    complain,
  );
  if (header.tensors.has('entropies'))
    complain("has a tensor 'entropies', which readers would take for one value a patch");
  const pieces = (name: string): Pieces => tensorChunks(file, header, name);
  await checkFloats('embeddings', pieces('embeddings'), Number.NEGATIVE_INFINITY, complain);
  await checkFloats('patch_entropies', pieces('patch_entropies'), -1e-3, complain);
  await checkFloats('prominence', pieces('prominence'), 0, complain);
  await checkLengths(pieces('patch_lengths'), bytes, complain);
}

/**
 * Checks a `sluice_signals_v1` file in the same way.
 * @throws SluiceError `SAFETENSORS_*` where it cannot be parsed at all
 */
export async function checkSignals(
  file: string,
  expected: { bytes: number; parts: number },
  complain: Complain,
): Promise<void> {
  const header = await readSafetensorsHeader(file);
  await checkLayout(file, header, complain);
  const { bytes, parts } = expected;
  const wanted: [string, string, number[]][] = [
    ['document_offsets', 'I64', [parts + 1]],
    ['entropies', 'F32', [bytes]],
    ['norms', 'F32', [bytes]],
  ];
  if (!checkTensors(header, wanted, complain)) return;
  checkMetadata(header, { format: SIGNALS_FORMAT, documents: parts, total_bytes: bytes }, complain);
  const pieces = (name: string): Pieces => tensorChunks(file, header, name);
  await checkFloats('entropies', pieces('entropies'), -1e-3, complain);
  await checkFloats('norms', pieces('norms'), 0, complain);
  await checkOffsets('document offset', pieces('document_offsets'), bytes, complain);
}

const PIECE = 1 << 20;

/** A tensor's bytes in pieces of at most 1 MiB, every piece a whole number of elements of up to 8 bytes. */
export async function* tensorChunks(
  file: Content,
  header: SafetensorsHeader,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const entry = header.tensors.get(name);
  if (entry !== undefined) yield* chunksOf(file, entry.offset, entry.offset + entry.length);
}

async function* chunksOf(content: Content, start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof content === 'string') yield* fileChunks(content, start, end);
  else for (let at = start; at < end; at += PIECE) yield content.subarray(at, Math.min(end, at + PIECE));
}

/** The header, written anew from what it says, must be the header that is there: order, padding, sorted metadata. */
async function checkLayout(file: Content, header: SafetensorsHeader, complain: Complain): Promise<void> {
  const again = safetensorsHeader([...header.tensors.values()], header.metadata);
  let at = 0;
  if (again.length === header.dataOffset) {
    for await (const chunk of chunksOf(file, 0, again.length)) {
      if (Buffer.compare(chunk, again.subarray(at, at + chunk.length)) !== 0) break;
      at += chunk.length;
    }
  }
  if (at !== again.length) complain('has a header that is valid but not laid out as sluice writes it');
}

function checkTensors(header: SafetensorsHeader, wanted: [string, string, number[]][], complain: Complain): boolean {
  let all = true;
  for (const [name, dtype, shape] of wanted) {
    const entry: TensorEntry | undefined = header.tensors.get(name);
    const found = entry === undefined ? 'no such tensor' : `${entry.dtype} [${entry.shape.join(', ')}]`;
    if (found === `${dtype} [${shape.join(', ')}]`) continue;
    complain(`should have ${name} as ${dtype} [${shape.join(', ')}], and has ${found}`);
    all = false;
  }
  return all;
}

function checkMetadata(
  { metadata }: SafetensorsHeader,
  wanted: Record<string, string | number>,
  complain: Complain,
): void {
  for (const [key, value] of Object.entries(wanted)) {
    if (metadata[key] !== String(value)) complain(`says ${key} is '${metadata[key] ?? ''}', and it is '${value}'`);
  }
}
