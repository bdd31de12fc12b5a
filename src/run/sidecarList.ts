import path from 'node:path';
import { SIDECAR_FORMAT } from '../formats/names.ts';
import type { Artefact } from '../sinks/artefact.ts';

/** The sidecars of an output by their folders, as `verify` comes to them. */
export class SidecarList {
  readonly #folders = new Map<string, { readonly artefacts: Artefact[]; isSound: boolean }>();

  add(artefact: Artefact, isSound: boolean): void {
    if (artefact.info['format'] !== SIDECAR_FORMAT) return;
    const dir = path.posix.dirname(artefact.path);
    const folder = this.#folders.get(dir) ?? { artefacts: [], isSound: true };
    this.#folders.set(dir, folder);
    folder.artefacts.push(artefact);
    folder.isSound &&= isSound;
  }

  /** Those of a folder in the order in which they came; undefined where one of them is not sound. */
  of(dir: string): readonly Artefact[] | undefined {
    const folder = this.#folders.get(dir);
    return folder === undefined ? [] : folder.isSound ? folder.artefacts : undefined;
  }
}
