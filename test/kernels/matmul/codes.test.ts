import { matmulConforms, SHAPES } from './cases.ts';

for (const type of ['int8', 'int4', 'ternary'] as const) matmulConforms(type, SHAPES);
