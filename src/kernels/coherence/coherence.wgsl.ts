/** Invocations side by side, and the patches that they have between them: each has every `LANES`-th. */
export const LANES = 64;
export const SPAN = 256;

/** What is read past the last patch, if anything, is not used. */
export const COHERENCE = `
fn write(at: u32, value: f32) { if (at < sizes.count) { coherences[at] = value; } }

fn element(at: u32) {
  let i = at / ${LANES}u * ${SPAN}u + at % ${LANES}u + vec4(0u, ${LANES}u, ${2 * LANES}u, ${3 * LANES}u);
  let p = vec4(prominence[i.x], prominence[i.y], prominence[i.z], prominence[i.w]);
  let h = vec4(entropies[i.x], entropies[i.y], entropies[i.z], entropies[i.w]);
  let values = p * p / (h + 1e-6);
  write(i.x, values.x);
  write(i.y, values.y);
  write(i.z, values.z);
  write(i.w, values.w);
}`;
