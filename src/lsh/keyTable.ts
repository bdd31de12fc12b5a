/**
 * Gives each different 64-bit key a number, from 0 in the order in which they first come. Takes 16 bytes for each key of
 * its room, which doubles when it does not suffice.
 *
 *     const table = new KeyTable(1000);
 *     table.numberOf(low, high); // 0
 */
export class KeyTable {
  #keys: Uint32Array;
  /** Open addressing, half of it empty: a number plus one, or 0. */
  #slots: Uint32Array;
  #size = 0;

  /** Throws RangeError for more than 2^30 keys, or none. */
  constructor(room: number) {
    if (!Number.isInteger(room) || room < 1 || room > 2 ** 30) throw new RangeError(`${room} keys are not possible.`);
    this.#keys = new Uint32Array(2 * room);
    this.#slots = new Uint32Array(2 * room);
  }

  /** Different keys so far. */
  get size(): number {
    return this.#size;
  }

  get room(): number {
    return this.#keys.length / 2;
  }

  /** The number of a key: `size` as it was before where it is new. */
  numberOf(low: number, high: number): number {
    const slots = this.#slots;
    // keys are hashes; whole ranges of upper bits may be missing, so that all bits of both words choose the slot
    for (let at = slotOf(low, high, slots.length); ; at = at + 1 === slots.length ? 0 : at + 1) {
      const number = (slots[at] ?? 0) - 1;
      if (number === -1) return this.#insert(at, low, high);
      if (this.#keys[2 * number] === low && this.#keys[2 * number + 1] === high) return number;
    }
  }

  /** Forgets all keys and keeps the memory. */
  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  #insert(slot: number, low: number, high: number): number {
    if (this.#size === this.room) {
      this.#grow();
      return this.numberOf(low, high);
    }
    const number = this.#size++;
    this.#keys[2 * number] = low;
    this.#keys[2 * number + 1] = high;
    this.#slots[slot] = number + 1;
    return number;
  }

  #grow(): void {
    const keys = new Uint32Array(2 * this.#keys.length);
    keys.set(this.#keys);
    this.#keys = keys;
    const slots = new Uint32Array(2 * this.#slots.length);
    for (let number = 0; number < this.#size; number++) {
      let at = slotOf(keys[2 * number] ?? 0, keys[2 * number + 1] ?? 0, slots.length);
      while (slots[at] !== 0) at = at + 1 === slots.length ? 0 : at + 1;
      slots[at] = number + 1;
    }
    this.#slots = slots;
  }
}

function slotOf(low: number, high: number, slots: number): number {
  return Math.floor(((Math.imul(high, 0x9e3779b1) ^ low) >>> 0) * (slots / 2 ** 32));
}
