export {
  CALIBRATION_FILE,
  type Calibration,
  calibrate,
  readAutoThreshold,
  resolveThreshold,
  TARGET_PATCH_BYTES,
  writeCalibration,
} from './calibration.ts';
export { type ModelConfig, parseConfig, readConfig } from './config.ts';
export { CpuModel, defaultModelDir, type OpenOptions, openModel } from './cpu/cpuModel.ts';
export type { LayerCounts } from './cpu/layers/sharedLayers.ts';
export { type Backend, type Device, listBackends } from './cpu/providers/backends.ts';
export { DeviceModel } from './cpu/providers/deviceModel.ts';
export { readGgufModel } from './ggufModel.ts';
export type { EncodedPiece, EncodeOptions, EntropyModel, TokenOptions, TokenSignals } from './model.ts';
export { openOptions } from './openOptions.ts';
export { type PatcherOptions, patchBatch, patchLengths } from './patcher.ts';
export { sharedLayerCounts } from './sharedModels.ts';
export * from './tokenizer.ts';
export { expectedShapes, readWeights, type Weights } from './weights.ts';
