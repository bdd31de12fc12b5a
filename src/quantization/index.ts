export { type Chain, type Link, resolveChain, type To } from './chain.ts';
export { type CoderDevice, openCoderDevice } from './gpu/coderDevice.ts';
export { closeSharedCoders } from './gpu/sharedCoders.ts';
export { measureQuality, type Quality, type QualityOptions } from './quality.ts';
export { needsTraining, openQuantizer, type Quantizer, trainQuantizer } from './quantizer.ts';
export { type Quantizers, readQuantizers, writeQuantizers } from './quantizerFile.ts';
export { type DrawnRows, Reservoir, streamKey } from './sample/reservoir.ts';
export type { Coder, Encoded, Moments, Part, TrainedTensor, TrainingSample, Transform } from './scheme.ts';
export { type SchemeName, type SchemeSpec, schemeNames } from './schemes.ts';
