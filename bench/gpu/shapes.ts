/** Shapes that rows of kernels are measured at: batch, sequence, and bytes or width. */
const shape = (batch: number, sequence: number, columns: number) => ({
  name: `(${batch}, ${sequence}, ${columns})`,
  rows: batch * sequence,
  columns,
});

/** Of one value for each token of the vocabulary. */
export const VOCABULARY_SHAPES = [shape(2, 64, 260), shape(8, 256, 260), shape(32, 2048, 260)];
/** As wide as the model. */
export const MODEL_SHAPES = [shape(4, 128, 768), shape(32, 2048, 768)];
