import { BincodeWriter } from './bincode.ts';
import { encodeEdge, encodeVertices } from './hypergraphSchema.ts';
import type { RowTarget } from './sidecarTables.ts';

/** A patch, and the leaf that stands for it. */
export interface PatchEnd {
  readonly patch: number;
  readonly node: number;
}

/** Numbers edges in the order in which they come, and encodes them. */
export class EdgeRows {
  readonly #blob = new BincodeWriter(64 << 10);
  readonly #hyperedges;
  readonly #sphereEdges;
  hyperedges: number;
  sphereEdges: number;

  /** Edges get numbers from these on. */
  constructor(target: RowTarget, hyperedges = 0, sphereEdges = 0) {
    this.hyperedges = hyperedges;
    this.sphereEdges = sphereEdges;
    this.#hyperedges = target.rows('hyperedges');
    this.#sphereEdges = target.rows('sphere_edges');
  }

  /** An edge between nodes. `weight` is an f32. */
  between(vertices: readonly number[], label: string, weight = 1): void {
    this.#hyperedges.add(
      this.hyperedges++,
      encodeVertices(vertices, this.#blob),
      encodeEdge({ vertices, label, weight }, this.#blob),
    );
  }

  /** An edge between patches: one between their leaves, and a row of `sphere_edges`. */
  betweenPatches(from: PatchEnd, to: PatchEnd, label: string, weight = 1): void {
    this.between([from.node, to.node], label, weight);
    this.sphereEdges++;
    this.#sphereEdges.add(this.sphereEdges - 1, from.patch, to.patch, weight, label);
  }
}
