import { fieldTensor, PATCH_FIELDS, QUANTIZATION_KEY } from '../quantization/fieldTensors.ts';
import { type Complain, checkFloats, type Pieces } from './checkNumbers.ts';
import { LEAST, rangesOf, tensorChunks, tensorsOf } from './checkPatches.ts';
import {
  checkQuantizedTensors,
  type ExpectedQuantized,
  floatFields,
  noQuantizers,
  openFields,
  quantizedSpecs,
} from './checkQuantized.ts';
import { int32From } from './littleEndian.ts';
import { readSafetensorsHeader, type SafetensorsHeader } from './safetensors/read.ts';

/** The sizes that a commit record says a JAX shard has. */
export interface ExpectedJaxShard extends ExpectedQuantized {
  readonly rows: number;
  /** Rows that are real; the others are padding. */
  readonly patches: number;
  readonly bytes: number;
  readonly dim: number;
}

/**
 * Checks a `sluice_jax_v1` file: types and shapes, lengths that are positive in real rows and add up to the bytes, zeros in
 * the others, a mask that says which are which, and that quantized fields can be decoded. Reads it once, 1 MiB at a time.
 *
 * @throws SluiceError `SAFETENSORS_*` where it cannot be parsed at all
 */
export async function checkJax(file: string, expected: ExpectedJaxShard, complain: Complain): Promise<void> {
  const { rows, patches, bytes, dim, quantized } = expected;
  const header = await readSafetensorsHeader(file);
  const isPadded = header.tensors.has('mask');
  const claim = { text: header.metadata[QUANTIZATION_KEY], fields: PATCH_FIELDS, dim, quantized };
  const fields = await openFields(claim, noQuantizers, complain, tensorsOf(file, header));
  if (fields === undefined) return;
  const floats = floatFields(PATCH_FIELDS, fields, (field) => header.tensors.has(fieldTensor(field)));
  const wanted: Tensor[] = [
    ...floats.map((field): Tensor => [fieldTensor(field), 'F32', field === 'embeddings' ? [rows, dim] : [rows]]),
    ...quantizedSpecs(fields, { patches: rows, bytes }).map(({ name, dtype, shape }): Tensor => [name, dtype, shape]),
    ['patch_lengths', 'I32', [rows]],
    ['bytes', 'U8', [bytes]],
    ...(isPadded ? [['mask', 'U8', [rows]] as const] : []),
  ];
  if (!hasTensors(header, wanted, complain)) return;
  if (!isPadded && rows !== patches) complain(`has ${rows} rows, ${patches} of them real, and no mask`);
  const pieces = (name: string): Pieces => tensorChunks(file, header, name);
  for (const field of floats) await checkFloats(fieldTensor(field), pieces(fieldTensor(field)), LEAST[field], complain);
  await checkQuantizedTensors(fields, { patches: rows, bytes }, rangesOf(file, header), complain);
  let row = 0;
  let sum = 0;
  for await (const piece of pieces('patch_lengths')) {
    for (const length of int32From(piece)) {
      if (row < patches ? length < 1 : length !== 0) complain(`has a length of ${length} in row ${row} of ${patches}`);
      sum += length;
      row++;
    }
  }
  if (sum !== bytes) complain(`has patch lengths that add up to ${sum}, and ${bytes} bytes`);
  row = 0;
  for await (const piece of isPadded ? pieces('mask') : []) {
    const other = piece.findIndex((mark, i) => mark !== (row + i < patches ? 1 : 0));
    if (other >= 0) complain(`has mask[${row + other}] = ${piece[other]}, and ${patches} real rows`);
    row += piece.length;
  }
}

/**
 * Checks a `sluice_sphere_v1` file: types and shapes, and that every number is finite.
 * @throws SluiceError `SAFETENSORS_*` where it cannot be parsed at all
 */
export async function checkSphere(
  file: string,
  { patches, dim }: { readonly patches: number; readonly dim: number },
  complain: Complain,
): Promise<void> {
  const header = await readSafetensorsHeader(file);
  const names = ['embeddings', 'phi', 'prominence', 'radii', 'sphere_coords', 'theta'];
  const isWide = new Set(['embeddings', 'sphere_coords']);
  const wanted = names.map((name): Tensor => [name, 'F32', isWide.has(name) ? [patches, dim] : [patches]]);
  if (!hasTensors(header, wanted, complain)) return;
  const least: Readonly<Record<string, number>> = { prominence: 0, radii: 0, theta: 0 };
  for (const name of names) {
    await checkFloats(name, tensorChunks(file, header, name), least[name] ?? Number.NEGATIVE_INFINITY, complain);
  }
}

type Tensor = readonly [name: string, dtype: string, shape: readonly number[]];

function hasTensors({ tensors }: SafetensorsHeader, wanted: readonly Tensor[], complain: Complain): boolean {
  const described = [...tensors.values()].map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ')}]`);
  const asked = wanted.map(([name, dtype, shape]) => `${name} ${dtype} [${shape.join(', ')}]`);
  if (described.sort().join() === asked.sort().join()) return true;
  complain(`has ${described.join(', ') || 'nothing'}, and should have ${asked.join(', ')}`);
  return false;
}
