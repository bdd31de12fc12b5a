export { attention } from './attention/attention.ts';
export { type AttentionSequence, blockTable, NO_SLOT, sequenceTable, visiblePairs } from './attention/blocks.ts';
export { carryKeys } from './carryKeys/carryKeys.ts';
export { entropy } from './entropy/entropy.ts';
export { type Cost, type Form, formFor, isPossible, type Kernel, wgslOf } from './kernel.ts';
export { anglesOf } from './rope/angles.ts';
export { rope } from './rope/rope.ts';
export { turnKeys } from './turnKeys/turnKeys.ts';
