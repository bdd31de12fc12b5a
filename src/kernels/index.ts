export { entropy } from './entropy/entropy.ts';
export { type Cost, type Form, formFor, isPossible, type Kernel, wgslOf } from './kernel.ts';
