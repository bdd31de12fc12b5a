/** Numbers that a seed decides, the same ones everywhere: a multiplicative generator of 32 bits with a mixed counter. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // all of a seed counts, also beyond 32 bits
    this.#state = mixed(Math.floor(seed / 2 ** 32) ^ mixed(seed | 0));
  }

  /** Of 32 bits, evenly spread. */
  next(): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0;
    return mixed(this.#state) >>> 0;
  }

  /** In [0, 1), 53 bits. */
  fraction(): number {
    const high = this.next() >>> 5;
    return (high * 2 ** 26 + (this.next() >>> 6)) / 2 ** 53;
  }

  /** In [0, below), evenly spread as far as 53 bits go. */
  below(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  /** Puts the numbers into another order, each as likely (Fisher and Yates). */
  shuffle(numbers: Uint32Array): void {
    for (let left = numbers.length; left > 1; left--) {
      const other = this.below(left);
      const number = numbers[left - 1] ?? 0;
      numbers[left - 1] = numbers[other] ?? 0;
      numbers[other] = number;
    }
  }
}

/** The finaliser `lowbias32`: every bit of the result depends on every bit of the number. */
function mixed(number: number): number {
  let bits = number | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb_352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846c_a68b);
  return bits ^ (bits >>> 16);
}
