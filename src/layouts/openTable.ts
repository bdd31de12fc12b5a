import type { ByteFile } from './byteFile.ts';
import { badLayout, type LayoutFormat, type PatchTable } from './layout.ts';
import { RowTable } from './rowTable.ts';
import { Tensors } from './tensors.ts';
import { TokenTable } from './tokenTable.ts';

export interface TableOptions {
  /**
   * Whether an `f1` file has a token for the beginning and one for the end around those of its bytes, as the program that
   * wrote single files did; the file itself does not say. Default: true.
   */
  readonly specialTokens?: boolean | undefined;
  /**
   * The quantizer of files that refer to one: those that hold one document only, whose schemes have learned something.
   * Default: `quantizer/quantizer.safetensors` of the output folder that they lie in.
   */
  readonly quantizer?: string | undefined;
}

/** What else a table is read from. */
export interface Beside {
  /** The file of signals beside a shard of this program. */
  readonly signals?: Tensors | undefined;
  /** Path of the file on this machine, or of the archive that it is a member of: its output folder is above it. */
  readonly near?: string | undefined;
}

/** Which layout tensors of these names make, with what `__metadata__` adds to it. */
export function layoutOf(tensors: Tensors): LayoutFormat | undefined {
  const has = (...names: readonly string[]): boolean => names.every((name) => tensors.has(name));
  const { metadata } = tensors.header;
  if (has('tokens', 'embeddings', 'patch_indices', 'patch_lengths')) return 'f3';
  if (has('embeddings', 'patch_indices', 'patch_mask')) return has('entropies') ? 'f2' : 'f1';
  if (tensors.holds('embeddings') && tensors.holds('prominence')) {
    if (has('bytes', 'patch_lengths', 'entropies')) return 'f5';
    return metadata['split'] !== undefined && metadata['shard'] !== undefined ? 'sluice' : 'corpus';
  }
  return has('bytes', 'patch_lengths') ? 'f4' : undefined;
}

/**
 * The patches of a safetensors file, whichever layout it has.
 * @throws SluiceError `UNKNOWN_LAYOUT`, `SAFETENSORS_*`, and what the layout's own checks find
 */
export async function tableOf(tensors: Tensors, options: TableOptions = {}, beside: Beside = {}): Promise<PatchTable> {
  const format = layoutOf(tensors);
  if (format === undefined) {
    const names = [...tensors.header.tensors.keys()].slice(0, 8).join(', ');
    throw badLayout(
      tensors.path,
      'UNKNOWN_LAYOUT',
      `is no file of patches: its tensors are ${names === '' ? 'none' : names}`,
      'docs/layouts.md lists the layouts that are read',
    );
  }
  if (format !== 'f1' && format !== 'f2' && format !== 'f3') {
    return RowTable.open(tensors, format, { near: beside.near, file: options.quantizer }, beside.signals);
  }
  return TokenTable.open(tensors, format, format === 'f1' ? options.specialTokens : false);
}

/** The same of a file that is not open yet. */
export async function openTable(file: ByteFile, options: TableOptions = {}, near?: string): Promise<PatchTable> {
  return tableOf(await Tensors.open(file), options, { near });
}
