/** Of each slot the keys come first and the values after them. */
export const TURN_KEYS = `
fn element(at: u32) {
  let head = sizes.headDim / WIDTH;
  let keys = sizes.ringRows * sizes.kvHeads * head;
  let i = at / keys;
  if (i >= sizes.slots) { return; }
  turn(2u * slots[i] * keys + at % keys, i * head + at % head);
}`;
