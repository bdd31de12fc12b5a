import { fileChunks } from './fileChunks.ts';
import { float32From, int32From, int64From } from './littleEndian.ts';
import { PATCHES_FORMAT, SIGNALS_FORMAT } from './names.ts';
import { readSafetensorsHeader, type SafetensorsHeader, type TensorEntry } from './safetensors/read.ts';
import { safetensorsHeader } from './safetensors/write.ts';

/** Says what is wrong with a file, in words that end a sentence about it. */
export type Complain = (what: string) => void;

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
export async function checkPatches(file: string, expected: ExpectedShard, complain: Complain): Promise<void> {
  const header = await readSafetensorsHeader(file);
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
  await checkFloats(file, header, 'embeddings', Number.NEGATIVE_INFINITY, complain);
  await checkFloats(file, header, 'patch_entropies', -1e-3, complain);
  await checkFloats(file, header, 'prominence', 0, complain);
  let sum = 0;
  let shortest = 1;
  for await (const chunk of tensorChunks(file, header, 'patch_lengths')) {
    for (const length of int32From(chunk)) {
      sum += length;
      shortest = Math.min(shortest, length);
    }
  }
  if (shortest < 1) complain(`has a patch of ${shortest} bytes`);
  if (sum !== bytes) complain(`has patch lengths that add up to ${sum}, and ${bytes} bytes`);
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
  await checkFloats(file, header, 'entropies', -1e-3, complain);
  await checkFloats(file, header, 'norms', 0, complain);
  let previous = 0n;
  let index = 0;
  for await (const chunk of tensorChunks(file, header, 'document_offsets')) {
    for (const offset of int64From(chunk)) {
      if (index === 0 ? offset !== 0n : offset < previous) complain(`has document offset ${index} at ${offset}`);
      previous = offset;
      index++;
    }
  }
  if (previous !== BigInt(bytes)) complain(`has a last document offset of ${previous}, and ${bytes} bytes`);
}

/** A tensor's bytes in pieces of at most 1 MiB, every piece a whole number of elements of up to 8 bytes. */
export async function* tensorChunks(
  file: string,
  header: SafetensorsHeader,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const entry = header.tensors.get(name);
  if (entry !== undefined) yield* fileChunks(file, entry.offset, entry.offset + entry.length);
}

/** The header, written anew from what it says, must be the header that is there: order, padding, sorted metadata. */
async function checkLayout(file: string, header: SafetensorsHeader, complain: Complain): Promise<void> {
  const again = safetensorsHeader([...header.tensors.values()], header.metadata);
  let at = 0;
  if (again.length === header.dataOffset) {
    for await (const chunk of fileChunks(file, 0, again.length)) {
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

async function checkFloats(
  file: string,
  header: SafetensorsHeader,
  name: string,
  least: number,
  complain: Complain,
): Promise<void> {
  let index = 0;
  for await (const chunk of tensorChunks(file, header, name)) {
    const values = float32From(chunk);
    const bad = values.findIndex((value) => !(Number.isFinite(value) && value >= least));
    if (bad >= 0) {
      complain(`has ${name}[${index + bad}] = ${values[bad]}`);
      return;
    }
    index += values.length;
  }
}
