/**
 * Distances are sums of squared differences in order, each operation rounded to float32. That no two of them are put together,
 * or done in another order, a number sees to that no compiler knows to be zero.
 */
export const NEAREST_CENTROIDS = `
fn exact(numbers: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>(bitcast<vec4<u32>>(numbers) ^ vec4(sizes.nothing)); }

fn element(at: u32) {
  let books = sizes.columns / sizes.dims;
  if (at >= sizes.rows * books) { return; }
  // neighbours have the same codebook
  let book = at / sizes.rows;
  let row = at - book * sizes.rows;
  let first = row * sizes.columns + book * sizes.dims;
  var isOdd = false;
  for (var i = 0u; i < sizes.dims; i++) {
    let magnitude = input[first + i] & 0x7fffffffu;
    isOdd = isOdd || magnitude - 1u < 0x20000000u - 1u || magnitude >= 0x58800000u;
  }
  var best = 0x1p127f;
  var found = 0u;
  for (var centroid = 0u; centroid < 256u; centroid += 4u) {
    let base = (book * 256u + centroid) * sizes.dims;
    var sums = vec4(0.0);
    for (var i = 0u; i < sizes.dims; i++) {
      let a = base + i;
      let b = a + 2u * sizes.dims;
      let four = vec4(codebooks[a], codebooks[a + sizes.dims], codebooks[b], codebooks[b + sizes.dims]);
      let apart = vec4(bitcast<f32>(input[first + i])) - four;
      sums = exact(sums + exact(apart * apart));
    }
    for (var i = 0u; i < 4u; i++) {
      if (sums[i] < best) {
        best = sums[i];
        found = centroid + i;
      }
    }
  }
  codes[row * books + book] = select(found, 256u, isOdd);
}`;

export const CENTROIDS_OF = `
fn element(at: u32) {
  let width = sizes.columns / WIDTH;
  if (at >= sizes.rows * width) { return; }
  let dims = sizes.dims / WIDTH;
  let part = at / dims;
  let code = (codes[part >> 2u] >> (8u * (part & 3u))) & 255u;
  let book = (at % width) / dims;
  values[at] = codebooks[(book * 256u + code) * dims + at % dims];
}`;
