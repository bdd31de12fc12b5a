const { fround } = Math;

/** Numbers of the nearest centroids, in plain loops: f32[rows, columns], f32[columns / dims, 256, dims] to u32[rows, parts]. */
export function nearestOf(rows: Float32Array, codebooks: Float32Array, columns: number, dims: number): Uint32Array {
  const parts = columns / dims;
  return Uint32Array.from({ length: rows.length / dims }, (_, part) => {
    const own = rows.subarray(part * dims, (part + 1) * dims);
    const book = part % parts;
    let [found, best] = [0, Number.POSITIVE_INFINITY];
    for (let centroid = 0; centroid < 256; centroid++) {
      const from = (book * 256 + centroid) * dims;
      let sum = 0;
      for (const [i, value] of own.entries()) {
        const apart = fround(value - (codebooks[from + i] ?? 0));
        sum = fround(sum + fround(apart * apart));
      }
      if (sum < best) [found, best] = [centroid, sum];
    }
    return found;
  });
}
