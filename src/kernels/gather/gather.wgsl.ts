export const GATHER = `
fn element(at: u32) {
  let width = sizes.columns / WIDTH;
  if (at >= sizes.rows * width) { return; }
  let index = indices[at / width];
  var found = Value(0.0);
  if (index < sizes.vocabulary) { found = table[index * width + at % width]; }
  gathered[at] = found;
}`;
