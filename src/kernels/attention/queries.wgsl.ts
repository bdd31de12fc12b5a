import { BLOCK_QUERIES } from './blocks.ts';

/** Queries of one invocation. */
const OWN = 4;
/** Invocations that go through the same keys together: a software adapter computes that many at once. */
const TOGETHER = 4;
const LANES = BLOCK_QUERIES / OWN;
const SPAN = OWN * TOGETHER;

/**
 * An invocation computes four queries for one head, key after key: no barriers, no memory shared. Invocations that are
 * computed together go through the same keys, whether all of them see them or not, because a software adapter is fast at
 * loads that all its lanes share. Arrays are indexed by constants where time is spent, which keeps them in registers.
 */
export function queryCode(headDim: number): string {
  const pieces = Array.from({ length: Math.ceil(headDim / 4) }, (_, piece) => piece);
  const axes = ['x', 'y', 'z', 'w'];
  const keys = (piece: (half: number, at: number) => string): string => `
    var scores = vec4(0.0);
${pieces
  .map(
    (at) => `    {
      let k = ${piece(0, at)};
      scores += vec4(${axes.map((_, i) => `dot(queries[${OWN * at + i}], k)`).join(', ')});
    }`,
  )
  .join('\n')}
    scores = capped(scores);
    let visible = (vec4(row) >= lowest) & (vec4(row) <= rows);
    let next = select(largest, max(largest, scores), visible);
    let turn = exp(largest - next);
    let weights = select(vec4(0.0), exp(scores - next), visible);
    largest = next;
    mass = mass * turn + weights;
${pieces
  .map(
    (at) => `    {
      let v = ${piece(1, at)};
${axes.map((axis, i) => `      sums[${OWN * at + i}] = sums[${OWN * at + i}] * turn.${axis} + weights.${axis} * v;`).join('\n')}
    }`,
  )
  .join('\n')}`;
  return `
@compute @workgroup_size(${LANES})
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) count: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = group(id, count) / sizes.heads;
  let head = group(id, count) % sizes.heads;
  if (block >= sizes.blocks) { return; }
  let kvHead = head / (sizes.heads / sizes.kvHeads);
  let sequence = sequenceOf(blocks[2u * block]);
  let first = blocks[2u * block + 1u] + ${OWN}u * lane;
  if (first >= sequence.tokens) { return; }
  // queries beyond the last one do as it does, and are not written
  let tokens = min(vec4(first) + vec4(0u, 1u, 2u, 3u), vec4(sequence.tokens - 1u));
  let rows = vec4(sequence.past) + tokens;
  let lowest = vec4(
    lowestOf(sequence, tokens.x), lowestOf(sequence, tokens.y), lowestOf(sequence, tokens.z), lowestOf(sequence, tokens.w),
  );
  let together = first - lane % ${TOGETHER}u * ${OWN}u;
  let begin = lowestOf(sequence, together);
  let end = sequence.past + min(together + ${SPAN}u, sequence.tokens);

  var queries: array<vec4<f32>, ${OWN * pieces.length}>;
  var sums: array<vec4<f32>, ${OWN * pieces.length}>;
  for (var i = 0u; i < ${OWN * pieces.length}u; i++) {
    queries[i] = queryPiece(sequence, tokens[i % ${OWN}u], head, i / ${OWN}u) * sizes.scale;
  }
  var largest = vec4(HIDDEN);
  var mass = vec4(0.0);
  for (var row = begin; row < min(end, sequence.past); row++) {
    let at = carriedHead(sequence, row, 0u, kvHead);
    let toValue = sizes.ringRows * sizes.kvHeads;
${keys((half, piece) => `carriedPiece(at + ${half}u * toValue, ${piece}u)`)}
  }
  for (var row = max(begin, sequence.past); row < end; row++) {
    let at = batchHead(sequence, row, 0u, kvHead);
${keys((half, piece) => `batchPiece(at + ${half}u * sizes.kvHeads, ${piece}u)`)}
  }
  for (var i = 0u; i < ${OWN * pieces.length}u; i++) {
    let token = first + i % ${OWN}u;
    if (token < sequence.tokens) {
      write((sequence.firstToken + token) * sizes.heads + head, i / ${OWN}u, sums[i] / mass[i % ${OWN}u]);
    }
  }
}`;
}
