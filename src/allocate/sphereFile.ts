import { rowsOf, type TableFile } from '../export/tableFiles.ts';
import { littleEndianBytes } from '../formats/littleEndian.ts';
import { SPHERE_FORMAT } from '../formats/names.ts';
import { npyArray } from '../formats/npy.ts';
import { type NpzMember, npzChunks } from '../formats/npz.ts';
import { safetensorsChunks, type TensorData } from '../formats/safetensors/write.ts';
import { requireFinite } from '../layouts/layout.ts';
import type { ArtefactFile } from '../sinks/artefact.ts';
import { coalesced } from '../sinks/chunkList.ts';
import type { Axes } from './axes.ts';
import { placed, type Sphere } from './sphere.ts';

/** Some patches of one file with all that is written of them. */
export interface PlacedRows extends Sphere {
  readonly dim: number;
  /** f32[P * dim]. */
  readonly embeddings: Float32Array;
  readonly radii: Float32Array;
  readonly shells: Uint16Array;
  readonly prominence: Float32Array;
  /** Absent where the file holds none. */
  readonly entropy?: Float32Array | undefined;
  /** As the file has it, else prominence^2 / (entropy + 1e-6); absent without entropies. */
  readonly coherence?: Float32Array | undefined;
}

/** Reads rows [from, to) of a file and places them at these radii. */
export async function placedRows(
  file: TableFile,
  from: number,
  to: number,
  radii: Float32Array,
  shells: Uint16Array,
  axes: Axes,
): Promise<PlacedRows> {
  const { dim } = axes;
  const count = to - from;
  const embeddings = new Float32Array(count * dim);
  const prominence = new Float32Array(count);
  const [entropy, coherence] = [new Float32Array(count), new Float32Array(count)];
  let [hasEntropy, hasCoherence] = [true, true];
  const columns = ['embeddings', 'prominence', 'entropy', 'coherence'] as const;
  for await (const rows of rowsOf([file], { from, to, columns })) {
    const at = rows.first - from;
    if (rows.embeddings !== undefined) {
      requireFinite(file.path, 'embeddings', rows.embeddings, rows.first * dim, undefined, dim);
      embeddings.set(rows.embeddings, at * dim);
    }
    if (rows.prominence !== undefined) prominence.set(rows.prominence, at);
    hasEntropy &&= rows.entropy !== undefined;
    hasCoherence &&= rows.coherence !== undefined;
    if (rows.entropy !== undefined) entropy.set(rows.entropy, at);
    for (let i = 0; i < rows.patches; i++) {
      const own = rows.coherence?.[i];
      coherence[at + i] = own ?? (prominence[at + i] ?? 0) ** 2 / ((entropy[at + i] ?? 0) + 1e-6);
    }
  }
  return {
    ...placed(embeddings, radii, axes),
    dim,
    embeddings,
    radii,
    shells,
    prominence,
    ...(hasEntropy ? { entropy } : {}),
    ...(hasEntropy || hasCoherence ? { coherence } : {}),
  };
}

/** A NumPy archive under the names that both older viewers ask for. */
export async function writeSphereNpz(file: ArtefactFile, rows: PlacedRows): Promise<void> {
  for await (const chunk of npzChunks(npzMembers(rows))) await file.write(chunk);
}

function* npzMembers(rows: PlacedRows): Generator<NpzMember, void, undefined> {
  const { radii, dim, prominence, entropy, coherence } = rows;
  const count = radii.length;
  yield { name: 'sphere_coords', ...npyArray(rows.coords, [count, dim]) };
  yield { name: 'radii', ...npyArray(radii) };
  yield { name: 'shells', ...npyArray(Int32Array.from(rows.shells)) };
  yield { name: 'original_prominence', ...npyArray(prominence) };
  if (entropy !== undefined) yield { name: 'original_entropies', ...npyArray(entropy) };
  if (coherence !== undefined) yield { name: 'original_coherence', ...npyArray(coherence) };
  yield { name: 'r', ...npyArray(radii) };
  yield { name: 'theta', ...npyArray(rows.theta) };
  yield { name: 'phi', ...npyArray(rows.phi) };
  yield { name: 'cartesian', ...npyArray(rows.cartesian, [count, 3]) };
  yield { name: 'prominence', ...npyArray(prominence) };
  if (entropy !== undefined) yield { name: 'entropies', ...npyArray(entropy) };
}

/** A safetensors file under the names that the older viewer asks for. */
export async function writeSphereTensors(
  file: ArtefactFile,
  rows: PlacedRows,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const count = rows.radii.length;
  const tensor = (name: string, values: Float32Array, shape: readonly number[] = [count]): TensorData => ({
    name,
    dtype: 'F32',
    shape,
    chunks: [littleEndianBytes(values)],
  });
  const tensors = [
    tensor('embeddings', rows.embeddings, [count, rows.dim]),
    tensor('prominence', rows.prominence),
    tensor('sphere_coords', rows.coords, [count, rows.dim]),
    tensor('radii', rows.radii),
    tensor('theta', rows.theta),
    tensor('phi', rows.phi),
  ];
  const chunks = safetensorsChunks(tensors, { ...metadata, format: SPHERE_FORMAT });
  for (const chunk of coalesced(chunks)) await file.write(chunk);
}
