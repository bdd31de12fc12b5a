import { type Pack, pack } from 'tar-stream';
import { TAR_BLOCK, TAR_FACTS, tarMemberBytes } from '../../formats/tarHeader.ts';
import type { Artefact, ArtefactFile } from '../artefact.ts';
import { COALESCE_BYTES } from '../chunkList.ts';
import { type FrameCoder, GzipFrames, ZstdFrames } from './frames.ts';

/** A file in an archive. */
export interface Member {
  readonly name: string;
  readonly bytes: number;
  readonly chunks: Iterable<Uint8Array>;
}

export const extensions = { none: '.tar', gzip: '.tar.gz', zstd: '.tar.zst' } as const;

export type TarCompression = keyof typeof extensions;

const coders: Readonly<Record<TarCompression, () => FrameCoder | undefined>> = {
  none: () => undefined,
  gzip: () => new GzipFrames(),
  zstd: () => new ZstdFrames(),
};

/** A frame ends with the first sample that takes it to this size, before compression. */
export const FRAME_BYTES = 1 << 20;
/** Frames on their way through the compressor, at most; one that is larger by itself goes alone. */
export const FRAMES_AHEAD_BYTES = 4 * FRAME_BYTES;

/** Two blocks of zeros. */
const END_BYTES = 2 * TAR_BLOCK;

/** Bytes that files take in an archive. */
export function tarBytes(members: readonly Member[]): number {
  return members.reduce((sum, { bytes }) => sum + tarMemberBytes(bytes), 0);
}

/**
 * A tar archive that is written sample by sample (ustar; owner, mode and time always the same). It is compressed
 * in frames that end with samples, so that it can be entered at each of them; beside the flow, a few at a time.
 */
export class TarShard {
  readonly #file: ArtefactFile;
  readonly #coder: FrameCoder | undefined;
  readonly #pack: Pack = pack();
  readonly #reader: AsyncIterator<Uint8Array>;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #ahead: { readonly bytes: number; readonly done: Promise<Uint8Array> }[] = [];

  constructor(file: ArtefactFile, compression: TarCompression) {
    this.#file = file;
    this.#coder = coders[compression]();
    this.#reader = (this.#pack as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  }

  async add(sample: readonly Member[]): Promise<void> {
    for (const { name, bytes, chunks } of sample) {
      const entry = this.#pack.entry({ ...TAR_FACTS, name, size: bytes });
      for (const chunk of chunks) entry.write(chunk);
      entry.end(undefined);
    }
    await this.#take(tarBytes(sample));
    if (this.#coder !== undefined && this.#pendingBytes >= FRAME_BYTES) await this.#frame(this.#coder);
  }

  async publish(info: Artefact['info']): Promise<void> {
    this.#pack.finalize();
    await this.#take(END_BYTES);
    if (this.#coder === undefined) {
      await this.#write();
    } else {
      await this.#frame(this.#coder);
      await this.#land(0);
      await this.#file.write(this.#coder.end());
    }
    await this.#file.publish(info);
  }

  /** So many bytes of the archive, as they come out of the packer. */
  async #take(bytes: number): Promise<void> {
    for (let left = bytes; left > 0; ) {
      const { value, done } = await this.#reader.next();
      if (done === true) throw new Error(`an archive ends ${left} bytes too early`);
      left -= value.length;
      this.#pending.push(value);
      this.#pendingBytes += value.length;
      if (this.#coder === undefined && this.#pendingBytes >= COALESCE_BYTES) await this.#write();
    }
  }

  #joined(): Uint8Array {
    const joined = Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    return joined;
  }

  async #write(): Promise<void> {
    await this.#file.write(this.#joined());
  }

  async #frame(coder: FrameCoder): Promise<void> {
    const bytes = this.#pendingBytes;
    await this.#land(FRAMES_AHEAD_BYTES - bytes);
    const done = coder.frame(this.#joined());
    // It is waited for when its turn comes; until then it must not count as nobody's.
    done.catch(() => {});
    this.#ahead.push({ bytes, done });
  }

  /** Writes what was compressed first until no more than this is on its way. */
  async #land(most: number): Promise<void> {
    let bytes = this.#ahead.reduce((sum, frame) => sum + frame.bytes, 0);
    while (this.#ahead.length > 0 && bytes > most) {
      const frame = this.#ahead.shift();
      if (frame === undefined) return;
      await this.#file.write(await frame.done);
      bytes -= frame.bytes;
    }
  }
}
