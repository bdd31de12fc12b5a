/** Numbers of keys are kept in 32 bits, and memory must be had in one piece. */
const MOST = 2 ** 30;

/**
 * Gives each different 64-bit key a number, from 0 in the order in which they first come. Takes 16 bytes for each key of
 * its room, which doubles when it does not suffice.
 *
 *     const table = new KeyTable(1000);
 *     table.numberOf(low, high); // 0
 */
export class KeyTable {
  readonly #most: number;
  #keys: Uint32Array;
  /** Open addressing, half of it empty: a number plus one, or 0. */
  #slots: Uint32Array;
  /** Slots for each 32-bit number. */
  #scale: number;
  #size = 0;

  /**
   * @param room keys for which memory is taken at once
   * @param most keys that it takes at all. Default: 2^30
   * @throws RangeError for more than 2^30 keys, or none
   */
  constructor(room: number, most = MOST) {
    if (!(Number.isInteger(room) && Number.isInteger(most) && room >= 1 && room <= most && most <= MOST))
      throw new RangeError(`room for ${room} keys, of ${most} at most, is not possible.`);
    this.#most = most;
    this.#keys = new Uint32Array(2 * room);
    this.#slots = new Uint32Array(2 * room);
    this.#scale = this.#slots.length / 2 ** 32;
  }

  /** Different keys so far. */
  get size(): number {
    return this.#size;
  }

  get room(): number {
    return this.#keys.length / 2;
  }

  /** The number of a key: `size` as it was before where it is new. Throws RangeError beyond as many as it takes. */
  numberOf(low: number, high: number): number {
    const slots = this.#slots;
    const keys = this.#keys;
    for (let at = slotOf(low, high, this.#scale); ; at = at + 1 === slots.length ? 0 : at + 1) {
      const number = (slots[at] ?? 0) - 1;
      if (number === -1) return this.#insert(at, low, high);
      if (keys[2 * number] === low && keys[2 * number + 1] === high) return number;
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
    if (this.#size === this.#most) throw new RangeError(`There is room for ${this.#most} keys.`);
    const room = Math.min(2 * this.room, this.#most);
    const keys = new Uint32Array(2 * room);
    keys.set(this.#keys);
    this.#keys = keys;
    const slots = new Uint32Array(2 * room);
    this.#scale = slots.length / 2 ** 32;
    for (let number = 0; number < this.#size; number++) {
      let at = slotOf(keys[2 * number] ?? 0, keys[2 * number + 1] ?? 0, this.#scale);
      while (slots[at] !== 0) at = at + 1 === slots.length ? 0 : at + 1;
      slots[at] = number + 1;
    }
    this.#slots = slots;
  }
}

/**
 * Keys are hashes, but tables are made for ranges of them, in which upper bits are the same: all bits of both words choose
 * the slot.
 */
function slotOf(low: number, high: number, scale: number): number {
  return Math.floor(((Math.imul(high, 0x9e3779b1) ^ low) >>> 0) * scale);
}
