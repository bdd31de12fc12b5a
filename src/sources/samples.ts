import { isOfArchive, sampleName } from '../archives/sampleKey.ts';
import type { TarMember } from '../archives/tarMembers.ts';
import { Failure } from './failure.ts';

/** A member of a sample, and its content. */
export interface SampleMember extends Omit<TarMember, 'content'> {
  readonly extension: string;
  readonly bytes: Uint8Array;
}

/** Members that stand together in an archive and have one key. */
export interface Sample {
  readonly key: string;
  /** By extension, in the archive's order. */
  readonly members: ReadonlyMap<string, SampleMember>;
}

interface Open {
  readonly key: string;
  readonly members: Map<string, SampleMember>;
  bytes: number;
  dropped: boolean;
}

export interface SampleRules {
  readonly maxSampleBytes: number;
  /** Whether a member is wanted. */
  wants(extension: string): boolean;
  reject(failure: Failure, member: Omit<TarMember, 'content'>): void;
}

/** Gathers the members of an archive, in its order, to samples. Holds one sample. */
export class SampleGatherer {
  readonly #rules: SampleRules;
  #open: Open | undefined;

  constructor(rules: SampleRules) {
    this.#rules = rules;
  }

  /** Takes a member; gives the sample before, if that is complete now. */
  async *take(member: TarMember): AsyncGenerator<Sample> {
    const { name, byte, size, content } = member;
    if (isOfArchive(name)) return;
    const parts = sampleName(name);
    if (parts === undefined) {
      this.#rules.reject(new Failure('NO_EXTENSION', `'${name}' has no extension, so it belongs to no sample`), member);
      return;
    }
    const { key, extension } = parts;
    if (this.#open?.key !== key) {
      yield* this.flush();
      this.#open = { key, members: new Map(), bytes: 0, dropped: false };
    }
    const open = this.#open;
    if (open.dropped || !this.#rules.wants(extension)) return;
    if (open.members.has(extension)) {
      const what = `the sample '${key}' has another member '${extension}' already`;
      this.#rules.reject(new Failure('DUPLICATE_EXTENSION', what, 'The first one was read.'), member);
      return;
    }
    if (open.bytes + size > this.#rules.maxSampleBytes) {
      const what = `the sample '${key}' is larger than ${this.#rules.maxSampleBytes} bytes`;
      this.#rules.reject(new Failure('SAMPLE_TOO_LARGE', what, 'Set maxSampleBytes higher.'), member);
      open.dropped = true;
      open.members.clear();
      return;
    }
    open.bytes += size;
    const bytes = new Uint8Array(size);
    let filled = 0;
    for await (const chunk of content) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    open.members.set(extension, { name, byte, size, extension, bytes });
  }

  /** The sample in hand, which ends here. */
  *flush(): Generator<Sample> {
    const open = this.#open;
    this.#open = undefined;
    if (open !== undefined && open.members.size > 0) yield open;
  }

  /** Key of the sample in hand, of which members may be missing. */
  get key(): string | undefined {
    return this.#open?.key;
  }
}
