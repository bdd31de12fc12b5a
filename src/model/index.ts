export {
  CALIBRATION_FILE,
  type Calibration,
  calibrate,
  calibrateModalities,
  readThresholds,
  resolveThreshold,
  TARGET_PATCH_BYTES,
  writeCalibration,
} from './calibration.ts';
export { type ModelConfig, parseConfig, readConfig } from './config.ts';
export { CpuModel } from './cpu/cpuModel.ts';
export type { LayerCounts } from './cpu/layers/sharedLayers.ts';
export { type Backend, listBackends } from './cpu/providers/backends.ts';
export type { Device } from './devices/device.ts';
export { DeviceModel } from './devices/deviceModel.ts';
export type { DeviceTimes } from './devices/deviceProtocol.ts';
export { readGgufModel } from './ggufModel.ts';
export { reportGpus } from './gpu/gpuProbe.ts';
export type { EncodedPiece, EncodeOptions, EntropyModel, TokenOptions, TokenSignals } from './model.ts';
export { defaultModelDir, type OpenOptions, openModel } from './openModel.ts';
export { openOptions } from './openOptions.ts';
export { type PatcherOptions, patchBatch, patchLengths } from './patcher.ts';
export { closeSharedDevices, sharedLayerCounts, sharedTimes } from './sharedModels.ts';
export { type AutoThresholds, autoThresholdFor, type ModalityThresholds } from './thresholds.ts';
export * from './tokenizer.ts';
export type { Weights } from './weight.ts';
export { expectedShapes, readWeights } from './weights.ts';
