export { type Allocation, allocate } from './allocate.ts';
export type { AllocateMethod, AllocateOptions } from './options.ts';
