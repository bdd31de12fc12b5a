export { type AdapterChoice, type AdapterInfo, findAdapter, listAdapters } from './adapter.ts';
export type { Memory, MemoryCounts } from './buffers.ts';
export { type Ceilings, measureCeilings } from './ceilings.ts';
export type { Commands, Slice } from './commands.ts';
export { Gpu, type GpuOptions } from './gpu.ts';
export type { Program } from './pipelines.ts';
export type { KernelTimes } from './profile.ts';
export { type ProfileRow, profileRows, profileTable } from './profileTable.ts';
export { describeVariant, PORTABLE, type Variant } from './variant.ts';
