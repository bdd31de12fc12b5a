import { matmulConforms } from './cases.ts';

const SHAPES = [
  [3, 256, 7],
  [1, 512, 1],
  [4, 768, 9],
  [130, 256, 66],
] as const;

matmulConforms('q4_k', SHAPES, 256);
