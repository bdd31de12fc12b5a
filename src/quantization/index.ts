export { type Chain, type Link, resolveChain } from './chain.ts';
export { needsTraining, openQuantizer, type Quantizer, trainQuantizer } from './quantizer.ts';
export type { Coder, Encoded, Moments, Part, TrainedTensor, TrainingSample, Transform } from './scheme.ts';
export { type SchemeName, type SchemeSpec, schemeNames } from './schemes.ts';
