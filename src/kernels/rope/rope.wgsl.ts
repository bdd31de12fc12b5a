/** Queries and keys lie side by side at the start of each token, and every head of it has the same angles. */
export const ROPE = `
fn element(at: u32) {
  let head = sizes.headDim / WIDTH;
  let width = (sizes.heads + sizes.kvHeads) * head;
  if (at >= sizes.tokens * width) { return; }
  let token = at / width;
  turn(token * (width + sizes.kvHeads * head) + at % width, rows[token] * head + at % head);
}`;
