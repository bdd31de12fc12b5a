import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { SluiceError } from '../errors.ts';
import { fieldTensor, PATCH_FIELDS, QUANTIZATION_KEY } from '../quantization/fieldTensors.ts';
import { type Complain, checkFloats, checkLengths, checkOffsets, type Pieces } from './checkNumbers.ts';
import { type ExpectedShard, LEAST } from './checkPatches.ts';
import {
  checkQuantizedTensors,
  floatFields,
  noQuantizers,
  type OpenQuantizers,
  openFields,
  quantizedSpecs,
  type TensorRanges,
} from './checkQuantized.ts';
import { fileChunks } from './fileChunks.ts';
import { dtypeOf, type NpyType, npyTypeOf, parseNpyHead } from './npy.ts';

/** An array in the archive, whose content lies in the file as it is. */
interface StoredArray {
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Of its data in the file. */
  readonly start: number;
  readonly end: number;
}

type Wanted = readonly [name: string, type: NpyType | undefined, shape: readonly number[] | undefined];

/** More than any header of an array with a few axes takes. */
const HEAD_BYTES = 4096;
const SUFFIX = '.npy';
/** 1 January 1980 as DOS says it: the least there is. */
const FIRST_DAY = 0x21;

/**
 * Checks a `sluice_npz_v1` file: an archive of stored members without a time, each with its checksum; names, types and
 * shapes of the arrays; and their values as in a `blt_patches_v3` file. Reads the file twice, 1 MiB at a time.
 *
 * @throws SluiceError `BAD_ZIP` where it is no archive, `BAD_NPY` where a member is no array
 */
export async function checkNpz(
  file: string,
  expected: ExpectedShard & { readonly parts: number },
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const arrays = await readArrays(file, complain);
  const { patches, bytes, dim, parts, quantized } = expected;
  const { tensors, range } = rangesOf(file, arrays);
  const read = (name: string): Promise<Uint8Array> => range(name, 0, Number.POSITIVE_INFINITY);
  const text = arrays.has(QUANTIZATION_KEY) ? Buffer.from(await read(QUANTIZATION_KEY)).toString() : undefined;
  const claim = { text, fields: PATCH_FIELDS, dim, quantized };
  const fields = await openFields(claim, open, complain, { tensors, read });
  if (fields === undefined) return;
  const floats = floatFields(PATCH_FIELDS, fields, (field) => arrays.has(fieldTensor(field)));
  const wanted: Wanted[] = [
    ...floats.map((field): Wanted => {
      return [fieldTensor(field), '<f4', field === 'embeddings' ? [patches, dim] : [patches]];
    }),
    ...quantizedSpecs(fields, { patches, bytes }).map(
      ({ name, dtype, shape }): Wanted => [name, npyTypeOf(dtype), shape],
    ),
    ...(text === undefined ? [] : [[QUANTIZATION_KEY, '|u1', undefined] satisfies Wanted]),
    ['coherence', '<f4', [patches]],
    ['patch_lengths', '<i4', [patches]],
    ['bytes', '|u1', [bytes]],
    ['document_offsets', '<i8', [parts + 1]],
    ['doc_ids', '|u1', undefined],
    ['doc_id_offsets', '<i8', [parts + 1]],
  ];
  const found = [...arrays.keys()].join(', ');
  const names = wanted.map(([name]) => name).join(', ');
  if (found !== names) complain(`holds ${found || 'nothing'}, and should hold ${names}`);
  let sound = found === names;
  for (const [name, type, shape] of wanted) {
    const array = arrays.get(name);
    if (array === undefined || (array.type === type && (shape ?? array.shape).join() === array.shape.join())) continue;
    complain(
      `has ${name} as ${array.type} (${array.shape.join(', ')}), and should have ${type} (${shape?.join(', ')})`,
    );
    sound = false;
  }
  if (!sound) return;
  const pieces = (name: string): Pieces => {
    const { start, end } = arrays.get(name) ?? { start: 0, end: 0 };
    return fileChunks(file, start, end);
  };
  for (const field of floats) await checkFloats(fieldTensor(field), pieces(fieldTensor(field)), LEAST[field], complain);
  await checkQuantizedTensors(fields, { patches, bytes }, { tensors, range }, complain);
  await checkFloats('coherence', pieces('coherence'), Number.NEGATIVE_INFINITY, complain);
  await checkLengths(pieces('patch_lengths'), bytes, complain);
  await checkOffsets('document offset', pieces('document_offsets'), patches, complain);
  const ids = arrays.get('doc_ids')?.shape[0] ?? 0;
  await checkOffsets('id offset', pieces('doc_id_offsets'), ids, complain);
  if (!(await isText(pieces('doc_ids')))) complain('has ids that are no UTF-8');
}

function rangesOf(file: string, arrays: ReadonlyMap<string, StoredArray>): TensorRanges {
  return {
    tensors: new Map([...arrays].map(([name, { type, shape }]) => [name, { name, dtype: dtypeOf(type), shape }])),
    async range(name, from, to) {
      const { start, end } = arrays.get(name) ?? { start: 0, end: 0 };
      const pieces: Uint8Array[] = [];
      for await (const piece of fileChunks(file, start + from, Math.min(end, start + to))) pieces.push(piece.slice());
      return Buffer.concat(pieces);
    },
  };
}

async function readArrays(file: string, complain: Complain): Promise<Map<string, StoredArray>> {
  try {
    const zip = await openPromise(file, { autoClose: false, lazyEntries: true });
    try {
      return await listArrays(zip, file, complain);
    } finally {
      zip.close();
    }
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    throw new SluiceError(`is no ZIP archive: ${(cause as Error).message}`, { code: 'BAD_ZIP', path: file, cause });
  }
}

async function listArrays(zip: ZipFile, file: string, complain: Complain): Promise<Map<string, StoredArray>> {
  const arrays = new Map<string, StoredArray>();
  // Its types do not know that entries can be iterated.
  for await (const entry of (zip as ZipFile & { eachEntry(): AsyncIterable<Entry> }).eachEntry()) {
    const { fileName: name, uncompressedSize: size, compressionMethod, lastModFileTime, lastModFileDate } = entry;
    if (compressionMethod !== 0 || !name.endsWith(SUFFIX)) {
      complain(`has a member '${name}' that is no stored array`);
      continue;
    }
    if (lastModFileTime !== 0 || lastModFileDate !== FIRST_DAY) complain(`says when '${name}' was made`);
    const { fileDataStart: start } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    const end = start + size;
    let crc = 0;
    let head: Uint8Array | undefined;
    for await (const chunk of fileChunks(file, start, end)) {
      head ??= chunk.slice(0, HEAD_BYTES);
      crc = crc32(chunk, crc);
    }
    if (crc !== entry.crc32) complain(`has a member '${name}' of another checksum`);
    const { type, shape, offset } = parseNpyHead(head ?? new Uint8Array(0), size, file);
    arrays.set(name.slice(0, -SUFFIX.length), { type, shape, start: start + offset, end });
  }
  return arrays;
}

async function isText(pieces: Pieces): Promise<boolean> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const piece of pieces) decoder.decode(piece, { stream: true });
    decoder.decode();
    return true;
  } catch {
    return false;
  }
}
