const FIRST_DECAY = 0.9;
const SECOND_DECAY = 0.999;
const LEAST = 1e-8;

/**
 * Adam (Kingma and Ba, ICLR 2015) for one tensor, with its usual constants. Each step is computed in float64 and kept in
 * float32; there is nothing in it but sums, products, quotients and square roots.
 */
export class Adam {
  readonly #values: Float32Array;
  readonly #first: Float32Array;
  readonly #second: Float32Array;
  #firstPower = 1;
  #secondPower = 1;

  constructor(values: Float32Array) {
    this.#values = values;
    this.#first = new Float32Array(values.length);
    this.#second = new Float32Array(values.length);
  }

  step(gradients: Float32Array, rate: number): void {
    const [values, firsts, seconds] = [this.#values, this.#first, this.#second];
    this.#firstPower *= FIRST_DECAY;
    this.#secondPower *= SECOND_DECAY;
    const firstScale = rate / (1 - this.#firstPower);
    const secondScale = 1 / (1 - this.#secondPower);
    for (let i = 0; i < values.length; i++) {
      const gradient = gradients[i] ?? 0;
      const first = FIRST_DECAY * (firsts[i] ?? 0) + (1 - FIRST_DECAY) * gradient;
      const second = SECOND_DECAY * (seconds[i] ?? 0) + (1 - SECOND_DECAY) * gradient * gradient;
      firsts[i] = first;
      seconds[i] = second;
      values[i] = (values[i] ?? 0) - (firstScale * first) / (Math.sqrt(secondScale * second) + LEAST);
    }
  }
}
