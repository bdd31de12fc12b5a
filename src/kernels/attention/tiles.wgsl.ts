import { BLOCK_QUERIES } from './blocks.ts';

/** Lanes of a workgroup: 16 rows of 8, each with 4 queries by 4 keys of the scores, and 4 queries by 4 dimensions of the sums. */
const LANES = 128;
const TILE_KEYS = 32;
/** Pieces of four dimensions that scores are computed over at a time, and that values are staged of at a time. */
const SLICE = 4;
const STRIPE = 8;

/**
 * A workgroup computes one block of queries for one head, over tiles of 32 keys with the running softmax of FlashAttention
 * (arXiv:2205.14135). Queries and keys pass through workgroup memory in slices of 16 dimensions and values in stripes of
 * 32, so that 14 KiB are enough for heads of any size; the sums stay in registers. Places in workgroup memory are turned
 * by `^`, since lanes that read or write together must not meet in one bank.
 */
export function tileCode(headDim: number): string {
  const pieces = Math.ceil(headDim / 4);
  const stripes = Array.from({ length: Math.ceil(pieces / STRIPE) }, (_, stripe) => stripe);
  const queries = [0, 1, 2, 3];
  const lines = (make: (i: number) => string): string => queries.map(make).join('\n');
  const sums = (make: (stripe: number, i: number) => string): string =>
    stripes.map((stripe) => lines((i) => make(stripe, i))).join('\n');
  const axis = ['x', 'y', 'z', 'w'];
  return `
var<workgroup> weights: array<vec4<f32>, ${(BLOCK_QUERIES * TILE_KEYS) / 4}>;
var<workgroup> staged: array<vec4<f32>, ${(BLOCK_QUERIES + TILE_KEYS) * SLICE}>;

fn queryPlace(query: u32, piece: u32) -> u32 {
  return piece * ${BLOCK_QUERIES}u + (query % 4u) * ${BLOCK_QUERIES / 4}u + ((query / 4u) ^ (2u * piece));
}
fn keyPlace(key: u32, piece: u32) -> u32 {
  return ${BLOCK_QUERIES * SLICE}u + piece * ${TILE_KEYS}u + (key % 4u) * ${TILE_KEYS / 4}u + ((key / 4u) ^ (2u * piece));
}
fn weightPlace(query: u32, keys: u32) -> u32 { return query * ${TILE_KEYS / 4}u + (keys ^ (query / 4u % 8u)); }

fn shown(scores: vec4<f32>, keys: vec4<u32>, lowest: u32, row: u32) -> vec4<f32> {
  let visible = (keys >= vec4(lowest)) & (keys <= vec4(row));
  return select(vec4(HIDDEN), capped(scores * sizes.scale), visible);
}
fn weigh(scores: vec4<f32>, largest: f32) -> vec4<f32> {
  return select(vec4(0.0), exp(scores - largest), scores > vec4(HIDDEN));
}
fn most(values: vec4<f32>) -> f32 { return max(max(values.x, values.y), max(values.z, values.w)); }

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
  let first = blocks[2u * block + 1u];
  let queries = min(${BLOCK_QUERIES}u, sequence.tokens - first);
  let end = sequence.past + first + queries;

  let across = lane % 8u;
  let own = lane / 8u * 4u;
  // queries beyond the last one do as it does, and are not written
  let tokens = min(vec4(first + own) + vec4(0u, 1u, 2u, 3u), vec4(sequence.tokens - 1u));
  let rows = vec4(sequence.past) + tokens;
  let lowest = vec4(
    lowestOf(sequence, tokens.x), lowestOf(sequence, tokens.y), lowestOf(sequence, tokens.z), lowestOf(sequence, tokens.w),
  );

  var largest = vec4(HIDDEN);
  var mass = vec4(0.0);
${sums((stripe, i) => `  var sum${stripe}_${i} = vec4(0.0);`)}

  for (var start = lowestOf(sequence, first); start < end; start += ${TILE_KEYS}u) {
${lines((i) => `    var s${i} = vec4(0.0);`)}
    for (var slice = 0u; slice < PIECES; slice += ${SLICE}u) {
      workgroupBarrier();
      let piece = lane % ${SLICE}u;
      for (var query = lane / ${SLICE}u; query < ${BLOCK_QUERIES}u; query += ${LANES / SLICE}u) {
        var values = vec4(0.0);
        if (slice + piece < PIECES && query < queries) {
          values = queryPiece(sequence, first + query, head, slice + piece);
        }
        staged[queryPlace(query, piece)] = values;
      }
      let key = lane / ${SLICE}u;
      var values = vec4(0.0);
      if (slice + piece < PIECES && start + key < end) {
        values = rowPiece(sequence, start + key, 0u, kvHead, slice + piece);
      }
      staged[keyPlace(key, piece)] = values;
      workgroupBarrier();
      for (var piece = 0u; piece < ${SLICE}u; piece++) {
        let at = keyPlace(4u * across, piece);
        let keys = mat4x4(staged[at], staged[at + 8u], staged[at + 16u], staged[at + 24u]);
        let base = queryPlace(own, piece);
${lines((i) => `        s${i} += staged[base + ${(i * BLOCK_QUERIES) / 4}u] * keys;`)}
      }
    }

    let keys = vec4(start + 4u * across) + vec4(0u, 1u, 2u, 3u);
${lines((i) => `    s${i} = shown(s${i}, keys, lowest.${axis[i]}, rows.${axis[i]});`)}
    // the largest score of each query, out of those of its eight lanes
    weights[across * ${BLOCK_QUERIES / 4}u + own / 4u] = vec4(${queries.map((i) => `most(s${i})`).join(', ')});
    workgroupBarrier();
    var next = largest;
    for (var i = 0u; i < 8u; i++) { next = max(next, weights[i * ${BLOCK_QUERIES / 4}u + own / 4u]); }
    workgroupBarrier();
    let turn = exp(largest - next);
    largest = next;
${lines((i) => `    s${i} = weigh(s${i}, next.${axis[i]});`)}
    mass = mass * turn + vec4(${queries.map((i) => `dot(s${i}, vec4(1.0))`).join(', ')});
${lines((i) => `    weights[weightPlace(own + ${i}u, across)] = s${i};`)}
${sums((stripe, i) => `    sum${stripe}_${i} *= turn.${axis[i]};`)}
${stripes
  .map(
    (stripe) => `
    {
      let piece = ${stripe * STRIPE}u + across;
${stripe === 0 ? '' : '      workgroupBarrier();'}
      for (var key = lane / ${STRIPE}u; key < ${TILE_KEYS}u; key += ${LANES / STRIPE}u) {
        var values = vec4(0.0);
        if (piece < PIECES && start + key < end) { values = rowPiece(sequence, start + key, 1u, kvHead, piece); }
        staged[key * ${STRIPE}u + across] = values;
      }
      workgroupBarrier();
      for (var keys = 0u; keys < ${TILE_KEYS / 4}u; keys++) {
        let at = keys * ${4 * STRIPE}u + across;
        let values = mat4x4(staged[at], staged[at + ${STRIPE}u], staged[at + ${2 * STRIPE}u], staged[at + ${3 * STRIPE}u]);
        let base = weightPlace(own, keys);
${lines((i) => `        sum${stripe}_${i} += values * weights[base + ${(i * TILE_KEYS) / 4}u];`)}
      }
    }`,
  )
  .join('')}
  }

  // each of the eight lanes has the mass of its own keys
  workgroupBarrier();
  weights[across * ${BLOCK_QUERIES / 4}u + own / 4u] = mass;
  workgroupBarrier();
  var total = vec4(0.0);
  for (var i = 0u; i < 8u; i++) { total += weights[i * ${BLOCK_QUERIES / 4}u + own / 4u]; }
${queries
  .map(
    (i) => `  if (own + ${i}u < queries) {
    let at = (sequence.firstToken + first + own + ${i}u) * sizes.heads + head;
${stripes
  .map(
    (stripe) =>
      `    if (${stripe * STRIPE}u + across < PIECES) { write(at, ${stripe * STRIPE}u + across, sum${stripe}_${i} / total.${axis[i]}); }`,
  )
  .join('\n')}
  }`,
  )
  .join('\n')}
}`;
}
