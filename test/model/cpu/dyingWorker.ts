/** A model worker that ends while it has work in hand. */
export default function die(): never {
  process.exit(7);
}
