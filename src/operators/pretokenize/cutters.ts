import type { Modality } from '../../records.ts';
import type { Cutter } from './modality.ts';
import type { Settings } from './settings.ts';

type Own<K extends Modality> = Exclude<Settings['modalities'][K], false>;

const byModality: { readonly [K in Modality]: () => Promise<Cutter<Own<K>>> } = {
  text: async () => (await import('./text/cut.ts')).cutText,
  code: async () => (await import('./code/cut.ts')).cutCode,
  image: async () => (await import('./image/cut.ts')).cutImage,
  audio: async () => (await import('./audio/cut.ts')).cutAudio,
  video: async () => (await import('./video/cut.ts')).cutVideo,
  pdf: async () => (await import('./pdf/cut.ts')).cutPdf,
  archive: async () => (await import('./archive/cut.ts')).cutArchive,
  binary: async () => (await import('./binary/cut.ts')).cutBinary,
};

/** Loads what takes a modality apart, with its decoders: in decoder processes alone, and only when it is needed. */
// the type above pairs each cutter with the settings of its modality, which is all that it is ever given
export const cutters = byModality as Readonly<Record<Modality, () => Promise<Cutter<unknown>>>>;
