export { type EmbedOptions, embed } from './embed.ts';
export { type PatchOptions, patch } from './patch.ts';
export { type PretokenizeOptions, pretokenize } from './pretokenize.ts';
