import {
  fieldTensor,
  PATCH_FIELDS,
  QUANTIZATION_KEY,
  SIGNAL_FIELDS,
  type StoredTensors,
} from '../quantization/fieldTensors.ts';
import type { QuantizedFieldName } from '../records.ts';
import { type Complain, checkFloats, checkLengths, checkOffsets, type Pieces } from './checkNumbers.ts';
import {
  checkQuantizedTensors,
  type ExpectedQuantized,
  floatFields,
  noQuantizers,
  type OpenQuantizers,
  openFields,
  type TensorRanges,
} from './checkQuantized.ts';
import { fileChunks } from './fileChunks.ts';
import { PATCHES_FORMAT, QUANTIZED_PATCHES_FORMAT, QUANTIZED_SIGNALS_FORMAT, SIGNALS_FORMAT } from './names.ts';
import {
  parseSafetensorsHeader,
  readSafetensorsHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors/read.ts';
import { safetensorsHeader } from './safetensors/write.ts';

/** The least that a number of a field may be: entropies of models may lie below 0 by rounding. */
export const LEAST = {
  embeddings: Number.NEGATIVE_INFINITY,
  prominence: 0,
  entropy: -1e-3,
  entropies: -1e-3,
  norms: 0,
} as const satisfies Record<QuantizedFieldName, number>;

/** A file by its path, or its bytes in memory. */
type Content = string | Uint8Array;

/** The sizes that a commit record says a shard has. */
export interface ExpectedShard extends ExpectedQuantized {
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
}

/**
 * Checks a `blt_patches_v3` file, or a quantized one: layout byte for byte, types and shapes, metadata, that patch lengths are
 * positive and add up to the bytes and every number is finite, and that what is quantized can be decoded. Reads the file once,
 * 1 MiB at a time.
 *
 * @param open opens the quantizer file that it may name
 * @throws SluiceError `SAFETENSORS_*` where it cannot be parsed at all
 */
export async function checkPatches(
  file: Content,
  expected: ExpectedShard,
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const header =
    typeof file === 'string' ? await readSafetensorsHeader(file) : parseSafetensorsHeader(file, file.length);
  await checkLayout(file, header, complain);
  const { patches, bytes, dim, quantized } = expected;
  const text = header.metadata[QUANTIZATION_KEY];
  const claim = { text, fields: PATCH_FIELDS, dim, quantized };
  const fields = await openFields(claim, open, complain, tensorsOf(file, header));
  if (fields === undefined) return;
  const hasOwn = (field: QuantizedFieldName): boolean => header.tensors.has(fieldTensor(field));
  const floats = floatFields(PATCH_FIELDS, fields, hasOwn);
  const wanted: [string, string, number[]][] = [
    ...floats.map((field): [string, string, number[]] => {
      return [fieldTensor(field), 'F32', field === 'embeddings' ? [patches, dim] : [patches]];
    }),
    ['patch_lengths', 'I32', [patches]],
    ['bytes', 'U8', [bytes]],
  ];
  if (!checkTensors(header, wanted, complain)) return;
  const format = floats.length < PATCH_FIELDS.length ? QUANTIZED_PATCHES_FORMAT : PATCHES_FORMAT;
  checkFormat(format, expected, complain);
  checkMetadata(
    header,
    { format, num_patches: patches, n_patches: patches, total_bytes: bytes, embed_dim: dim },
    complain,
  );
  if (header.tensors.has('entropies'))
    complain("has a tensor 'entropies', which readers would take for one value a patch");
  for (const field of floats) {
    const name = fieldTensor(field);
    await checkFloats(name, tensorChunks(file, header, name), LEAST[field], complain);
  }
  await checkLengths(tensorChunks(file, header, 'patch_lengths'), bytes, complain);
  await checkQuantizedTensors(fields, { patches, bytes }, rangesOf(file, header), complain);
}

/**
 * Checks a `sluice_signals_v1` file in the same way.
 * @throws SluiceError `SAFETENSORS_*` where it cannot be parsed at all
 */
export async function checkSignals(
  file: string,
  expected: { bytes: number; parts: number } & ExpectedQuantized,
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const header = await readSafetensorsHeader(file);
  await checkLayout(file, header, complain);
  const { bytes, parts, quantized } = expected;
  const claim = { text: header.metadata[QUANTIZATION_KEY], fields: SIGNAL_FIELDS, quantized };
  const fields = await openFields(claim, open, complain, tensorsOf(file, header));
  if (fields === undefined) return;
  const floats = floatFields(SIGNAL_FIELDS, fields, (field) => header.tensors.has(field));
  const wanted: [string, string, number[]][] = [
    ['document_offsets', 'I64', [parts + 1]],
    ...floats.map((field): [string, string, number[]] => [field, 'F32', [bytes]]),
  ];
  if (!checkTensors(header, wanted, complain)) return;
  const format = floats.length < SIGNAL_FIELDS.length ? QUANTIZED_SIGNALS_FORMAT : SIGNALS_FORMAT;
  checkFormat(format, expected, complain);
  checkMetadata(header, { format, documents: parts, total_bytes: bytes }, complain);
  const pieces = (name: string): Pieces => tensorChunks(file, header, name);
  for (const field of floats) await checkFloats(field, pieces(field), LEAST[field], complain);
  await checkQuantizedTensors(fields, { patches: 0, bytes }, rangesOf(file, header), complain);
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

export function tensorsOf(file: Content, header: SafetensorsHeader): StoredTensors {
  const { range } = rangesOf(file, header);
  return { tensors: header.tensors, read: (name) => range(name, 0, header.tensors.get(name)?.length ?? 0) };
}

export function rangesOf(file: Content, { tensors }: SafetensorsHeader): TensorRanges {
  return {
    tensors,
    async range(name, from, to) {
      const { offset = 0 } = tensors.get(name) ?? {};
      const pieces: Uint8Array[] = [];
      for await (const piece of chunksOf(file, offset + from, offset + to)) pieces.push(piece.slice());
      return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    },
  };
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

/** The commit has to name the format that a file is of by what it holds. */
function checkFormat(found: string, { format = found }: ExpectedQuantized, complain: Complain): void {
  if (format !== found) complain(`was committed as ${String(format)}, and it is ${found}`);
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
