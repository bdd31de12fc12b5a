/** Exit code 0 where WebGPU finds a GPU, else 1. */
import { findAdapter } from '../../gpu/index.ts';

process.exitCode = await findAdapter('hardware').then(
  () => 0,
  () => 1,
);
