import type { JsonValue } from '../json.ts';

/** A finished file of the output, as commits and the manifest list it. */
export interface Artefact {
  /** Relative to the output folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Format and counts that `sluice verify` and readers need, such as `{format: 'blt_patches_v3', patches: 10}`. */
  readonly info: { readonly [key: string]: JsonValue };
}

/** A file being written under a temporary name; `publish` alone gives it its own. */
export interface ArtefactFile {
  /** Absolute temporary path, for writers that open files themselves (SQLite, a worker). */
  readonly temporary: string;
  write(chunk: Uint8Array): Promise<void>;
  /** Hash, fsync, rename, fsync of the folder. */
  publish(info: Artefact['info']): Promise<Artefact>;
}
