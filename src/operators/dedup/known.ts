/** Clusters that a document has shown to be one: the smallest number stands for all. */
class Cluster {
  readonly number: number;
  #part: Cluster | undefined;

  constructor(number: number) {
    this.number = number;
  }

  whole(): Cluster {
    let whole: Cluster = this;
    while (whole.#part !== undefined) whole = whole.#part;
    // the way there is short the next time
    if (whole !== this) this.#part = whole;
    return whole;
  }

  join(other: Cluster): void {
    const [a, b] = [this.whole(), other.whole()];
    if (a.number < b.number) b.#part = a;
    else if (b.number < a.number) a.#part = b;
  }
}

/** A document that was kept, and stands for its cluster. */
export class Keeper {
  readonly id: string;
  /** Its place in the order of the source. */
  readonly number: number;
  /** Number of the half that has counted the id last. */
  countedIn = -1;
  /** Most clusters are never joined with another. */
  #cluster: Cluster | undefined;

  constructor(id: string, number: number) {
    this.id = id;
    this.number = number;
  }

  /** Number of the first document of its cluster. */
  get cluster(): number {
    return this.#cluster?.whole().number ?? this.number;
  }

  /** The clusters of both are one from now on. */
  join(other: Keeper): void {
    this.#cluster ??= new Cluster(this.number);
    other.#cluster ??= new Cluster(other.number);
    this.#cluster.join(other.#cluster);
  }
}

/** A document that was dropped for being like another one. */
export class NearDuplicate {
  readonly keeper: Keeper;
  readonly similarity: number;

  constructor(keeper: Keeper, similarity: number) {
    this.keeper = keeper;
    this.similarity = similarity;
  }
}

export type Known = Keeper | NearDuplicate;

export function keeperOf(known: Known): Keeper {
  return known instanceof Keeper ? known : known.keeper;
}
