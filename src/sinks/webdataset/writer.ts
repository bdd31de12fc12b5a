import { WEBDATASET_FORMAT } from '../../formats/names.ts';
import type { Artefact } from '../artefact.ts';
import type { SinkContext } from '../sink.ts';
import type { Sample } from './samples.ts';
import { extensions, type TarCompression, TarShard, tarBytes } from './tarShard.ts';

export interface ShardLimits {
  readonly dir: string;
  readonly compression: TarCompression;
  readonly samples: number;
  readonly shardBytes: number;
}

const SHARD_DIGITS = 6;
const KEY_DIGITS = 8;

/** Key of a sample, unique over the run and without dots: split, number of the document in it, part from the second on. */
export function sampleKey(split: string, document: number, part: number): string {
  const key = `${split}-${String(document).padStart(KEY_DIGITS, '0')}`;
  return part === 0 ? key : `${key}_${part}`;
}

/** Writes the samples of one split into archives, one after the other. */
export class SampleWriter {
  readonly #context: SinkContext;
  readonly #limits: ShardLimits;
  readonly #content: 'patches' | 'documents';
  readonly #info: Artefact['info'];
  #shard: TarShard | undefined;
  #shards = 0;
  #inShard = { samples: 0, tarBytes: 0, documents: 0, patches: 0, bytes: 0 };
  readonly #counts = { samples: 0, documents: 0, patches: 0, bytes: 0 };

  /** @param info what is said of every archive besides its format, place and counts */
  constructor(
    context: SinkContext,
    limits: ShardLimits,
    content: 'patches' | 'documents',
    info: Artefact['info'] = {},
  ) {
    this.#context = context;
    this.#limits = limits;
    this.#content = content;
    this.#info = info;
  }

  /** Documents that have begun. */
  get documents(): number {
    return this.#counts.documents;
  }

  async add({ members, documents, patches, bytes }: Sample): Promise<void> {
    const { samples, shardBytes } = this.#limits;
    const size = tarBytes(members);
    const full = this.#inShard.samples === samples || this.#inShard.tarBytes + size > shardBytes;
    if (this.#inShard.samples > 0 && full) await this.#close();
    this.#shard ??= await this.#open();
    await this.#shard.add(members);
    this.#inShard.tarBytes += size;
    for (const counts of [this.#inShard, this.#counts]) {
      counts.samples++;
      counts.documents += documents;
      counts.patches += patches;
      counts.bytes += bytes;
    }
  }

  async finish(): Promise<Record<string, number>> {
    await this.#close();
    const { patches, ...counts } = this.#counts;
    return this.#content === 'patches' ? { ...counts, patches } : counts;
  }

  async #open(): Promise<TarShard> {
    const { dir, compression } = this.#limits;
    const number = String(this.#shards).padStart(SHARD_DIGITS, '0');
    const file = await this.#context.file(`${dir}/${this.#context.split.id}-${number}${extensions[compression]}`);
    return new TarShard(file, compression);
  }

  async #close(): Promise<void> {
    const { samples, documents, patches, bytes } = this.#inShard;
    const counts = this.#content === 'patches' ? { documents, patches, bytes } : { documents, bytes };
    await this.#shard?.publish({
      format: WEBDATASET_FORMAT,
      split: this.#context.split.id,
      shard: this.#shards,
      compression: this.#limits.compression,
      content: this.#content,
      ...this.#info,
      samples,
      ...counts,
    });
    if (this.#shard !== undefined) this.#shards++;
    this.#shard = undefined;
    this.#inShard = { samples: 0, tarBytes: 0, documents: 0, patches: 0, bytes: 0 };
  }
}
