import type { Cutter } from '../modality.ts';
import { plainTable } from '../segmentTable.ts';
import type { SegmentTable } from '../view.ts';
import { Malformed } from './byteView.ts';
import { elfLayout, isElf } from './elf.ts';
import { fatMachoLayout, isFatMacho } from './fatMacho.ts';
import { isThinMacho, machoLayout } from './macho.ts';
import type { BinarySettings } from './options.ts';
import { coffLayout, isMz, peLayout } from './pe.ts';
import { type Layout, tiled } from './regions.ts';
import { isWasm, wasmLayout } from './wasm.ts';

/**
 * A program, library or object file as its headers, sections and tables, which tile it (docs/modalities/binary.md). Nothing
 * is decoded here, so that nothing is refused: whatever is of no known format, or is damaged, is one `unknown_binary`,
 * with `parse_error` in its facts where it begins like a known one.
 */
export const cutBinary: Cutter<BinarySettings> = ({ bytes, modality, mediaType }, { symbols }, { maxSegmentBytes }) => {
  const segments = (): SegmentTable => {
    try {
      const layout = layoutOf(bytes);
      if (layout !== undefined) {
        const functions = symbols === 'cut' ? layout.functions() : [];
        return tiled(layout.regions, { length: bytes.length, maxSegmentBytes, functions }, layout.meta);
      }
      return plainTable(bytes.length, 'unknown_binary', maxSegmentBytes);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return plainTable(bytes.length, 'unknown_binary', maxSegmentBytes, { parse_error: error.message });
    }
  };
  return [{ suffix: '', modality, mediaType, segments: segments() }];
};

function layoutOf(bytes: Uint8Array): Layout | undefined {
  if (isElf(bytes)) return elfLayout(bytes);
  if (isMz(bytes)) return peLayout(bytes);
  if (isThinMacho(bytes)) return machoLayout(bytes);
  if (isFatMacho(bytes)) return fatMachoLayout(bytes);
  if (isWasm(bytes)) return wasmLayout(bytes);
  return coffLayout(bytes);
}
