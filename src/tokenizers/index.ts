export type { AddedToken } from './addedTokens.ts';
export { type BpeOptions, type BpeParts, BpeTokenizer, type EncodeOptions } from './bpeTokenizer.ts';
export type { Merge } from './mergeTable.ts';
export type { Pattern } from './patterns.ts';
export { loadTokenizer, saveTokenizer } from './tokenizerFile.ts';
export { type Trained, type TrainOptions, trainBpe } from './trainBpe.ts';
