import type { ArchiveRule } from './rules.ts';

/**
 * Datasets whose files are known to lie in archives of another one. They are looked at behind the rules that an operator
 * was given; each concerns rows of its own dataset alone.
 */
export const knownArchives: readonly ArchiveRule[] = [
  {
    dataset: 'HaochenWang/TreeVGR-SFT-35K',
    prefix: 'images/',
    archives:
      'hf://datasets/lmms-lab/LLaVA-NeXT-Data/llava_next_raw_format/llava_next_raw_format_images_{1..11}.tar.gz',
  },
];
