/**
 * What every form reads and writes: heads of tokens in pieces of four dimensions, out of the batch or out of the rings.
 * Indices are u32: elements of a buffer stay below 2^30, since WebGPU binds less than 4 GiB.
 */
export function attentionRows(headDim: number, vectors: boolean): string {
  return `
const PIECES = ${Math.ceil(headDim / 4)}u;
const HIDDEN = -3e38;

struct Sequence { firstToken: u32, tokens: u32, past: u32, slot: u32, ringStart: u32 }
fn sequenceOf(i: u32) -> Sequence {
  let at = 6u * i;
  return Sequence(sequences[at], sequences[at + 1u], sequences[at + 2u], sequences[at + 3u], sequences[at + 4u]);
}

// the first row that the query of a new token sees
fn lowestOf(sequence: Sequence, token: u32) -> u32 {
  let after = sequence.past + token + 1u;
  return max(after - min(after, sizes.window), firstRows[sequence.firstToken + token]);
}

${vectors ? vectorPieces(headDim) : scalarPieces(headDim)}
fn queryPiece(sequence: Sequence, token: u32, head: u32, piece: u32) -> vec4<f32> {
  return batchPiece((sequence.firstToken + token) * (sizes.heads + 2u * sizes.kvHeads) + head, piece);
}

// Where a row of a sequence has its key (half 0) or value (half 1): among new tokens, or in the ring.
fn batchHead(sequence: Sequence, row: u32, half: u32, kvHead: u32) -> u32 {
  let token = sequence.firstToken + row - sequence.past;
  return token * (sizes.heads + 2u * sizes.kvHeads) + sizes.heads + half * sizes.kvHeads + kvHead;
}
fn carriedHead(sequence: Sequence, row: u32, half: u32, kvHead: u32) -> u32 {
  let ring = sequence.ringStart + row;
  let ringRow = ring - select(0u, sizes.ringRows, ring >= sizes.ringRows);
  return ((sequence.slot * 2u + half) * sizes.ringRows + ringRow) * sizes.kvHeads + kvHead;
}

fn rowPiece(sequence: Sequence, row: u32, half: u32, kvHead: u32, piece: u32) -> vec4<f32> {
  if (row < sequence.past) { return carriedPiece(carriedHead(sequence, row, half, kvHead), piece); }
  return batchPiece(batchHead(sequence, row, half, kvHead), piece);
}

fn capped(scores: vec4<f32>) -> vec4<f32> {
  if (sizes.softCap == 0.0) { return scores; }
  // tanh written out: its own overflows on some devices, and is coarse on others
  let decay = exp(-2.0 * abs(scores) / sizes.softCap);
  return sizes.softCap * sign(scores) * (1.0 - decay) / (1.0 + decay);
}
`;
}

const vectorPieces = (headDim: number): string => `
fn batchPiece(head: u32, piece: u32) -> vec4<f32> { return qkv[head * ${headDim / 4}u + piece]; }
fn carriedPiece(head: u32, piece: u32) -> vec4<f32> { return carried[head * ${headDim / 4}u + piece]; }
fn write(head: u32, piece: u32, values: vec4<f32>) { output[head * ${headDim / 4}u + piece] = values; }`;

/** The last piece may have two dimensions: the other two are zero. */
function scalarPieces(headDim: number): string {
  const read = (name: string, buffer: string): string => `
fn ${name}(head: u32, piece: u32) -> vec4<f32> {
  let at = head * ${headDim}u + 4u * piece;
  let whole = 4u * piece + 2u < ${headDim}u;
  return vec4(${buffer}[at], ${buffer}[at + 1u], select(0.0, ${buffer}[at + 2u], whole), select(0.0, ${buffer}[at + 3u], whole));
}`;
  return `${read('batchPiece', 'qkv')}${read('carriedPiece', 'carried')}
fn write(head: u32, piece: u32, values: vec4<f32>) {
  let at = head * ${headDim}u + 4u * piece;
  output[at] = values.x;
  output[at + 1u] = values.y;
  if (4u * piece + 2u < ${headDim}u) {
    output[at + 2u] = values.z;
    output[at + 3u] = values.w;
  }
}`;
}
