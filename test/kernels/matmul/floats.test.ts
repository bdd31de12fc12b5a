import { matmulConforms, SHAPES } from './cases.ts';

for (const type of ['f32', 'bf16', 'f16'] as const) matmulConforms(type, SHAPES);
