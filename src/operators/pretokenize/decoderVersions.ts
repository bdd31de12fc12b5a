import type { Modality } from '../../records.ts';
import type { Settings } from './settings.ts';
import { withVersion } from './text/markup/versions.ts';

/** Packages that decide what bytes become, some of which need not be installed. */
const PACKAGES: Readonly<Record<Modality, readonly string[]>> = {
  text: ['chardet', 'markdown-it', 'parse5', 'postal-mime', '@huggingface/tokenizers'],
  code: ['web-tree-sitter', '@repomix/tree-sitter-wasms', '@vscode/tree-sitter-wasm'],
  image: ['sharp'],
  audio: ['@wasm-audio-decoders/flac', '@wasm-audio-decoders/ogg-vorbis', 'mpg123-decoder', 'opus-decoder'],
  video: [],
  pdf: ['@hyzyla/pdfium'],
  archive: ['saxes', 'tar-stream', 'unbzip2-stream', 'xz-decompress', 'yauzl'],
  binary: [],
};

/** The packages that these settings may come to need, as they are installed: a run goes on with the same ones. */
export function decoderVersions({ modalities }: Settings): readonly string[] {
  const names = Object.entries(PACKAGES).flatMap(([modality, packages]) =>
    modalities[modality as Modality] === false ? [] : packages,
  );
  return ['file-type', ...names].sort().map(withVersion);
}
