import { SluiceError } from '../errors.ts';
import { decompress } from '../sources/compression.ts';
import { Failure } from '../sources/failure.ts';
import { ByteReader } from './byteReader.ts';
import type { Complain } from './checkNumbers.ts';
import { checkPatches } from './checkPatches.ts';
import { type ExpectedQuantized, noQuantizers, type OpenQuantizers } from './checkQuantized.ts';
import { fileChunks } from './fileChunks.ts';
import { parseSafetensorsHeader } from './safetensors/read.ts';
import { parseTarHeader, TAR_BLOCK, tarHeader } from './tarHeader.ts';

/** What a commit record says of an archive; `patches` is undefined where it holds documents. */
export interface ExpectedArchive extends ExpectedQuantized {
  readonly split: string;
  readonly compression: string;
  readonly samples: number;
  readonly documents: number;
  readonly patches: number | undefined;
  readonly bytes: number;
}

/** Members that are taken into memory whole: patches and facts. */
const MEMBER_LIMIT = 2 ** 31 - 1;

/**
 * Checks a `sluice_webdataset_v1` archive: every header as sluice writes it, padding and end of zeros; keys that belong to
 * the split, rise, and never come back; the same kinds of members in every sample; each safetensors file by its own rules,
 * and against the JSON beside it; and the counts of the commit. One member is in memory at a time.
 *
 * @throws SluiceError `TRUNCATED`, `CORRUPT_COMPRESSION` where it cannot be decompressed
 */
export async function checkWebdataset(
  file: string,
  expected: ExpectedArchive,
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const reader = new ByteReader(contentOf(file, expected.compression));
  try {
    await new ArchiveCheck(reader, expected, complain, open).run();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new SluiceError(`cannot be decompressed: ${error.message}`, { code: error.code, path: file, cause: error });
  } finally {
    await reader.close();
  }
}

function contentOf(file: string, compression: string): AsyncIterable<Uint8Array> {
  const kind = compression === 'gzip' || compression === 'zstd' ? compression : undefined;
  return kind === undefined ? fileChunks(file) : decompress(ownChunks(file), kind, Number.POSITIVE_INFINITY);
}

/** A decompressor looks at its input later than it is given it. */
async function* ownChunks(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of fileChunks(file)) yield chunk.slice();
}

/** Facts of the sample in hand, as its members tell them one after the other. */
interface SampleFacts {
  readonly key: string;
  readonly extensions: string[];
  readonly patches?: number | undefined;
  readonly bytes?: number | undefined;
  readonly dim?: number | undefined;
  readonly part?: number | undefined;
}

class ArchiveCheck {
  readonly #reader: ByteReader;
  readonly #expected: ExpectedArchive;
  readonly #complain: Complain;
  readonly #open: OpenQuantizers;
  readonly #sums = { samples: 0, documents: 0, patches: 0, bytes: 0 };
  #sample: SampleFacts | undefined;
  /** Key of the last sample that had one. */
  #last: string | undefined;
  /** Kinds of members of the first sample. */
  #shape: string | undefined;

  constructor(reader: ByteReader, expected: ExpectedArchive, complain: Complain, open: OpenQuantizers) {
    this.#reader = reader;
    this.#expected = expected;
    this.#complain = complain;
    this.#open = open;
  }

  async run(): Promise<void> {
    for (;;) {
      const at = this.#reader.position;
      const block = await this.#reader.read(TAR_BLOCK);
      if (block.length === TAR_BLOCK && block.every((byte) => byte === 0)) break;
      const member = parseTarHeader(block);
      if (member === undefined || !block.equals(await tarHeader(member.name, member.bytes))) {
        this.#complain(`has no header of a member at byte ${at}, as sluice writes one`);
        return;
      }
      if (!(await this.#member(member.name, member.bytes))) return;
    }
    this.#endSample();
    const rest = await this.#reader.read(2 * TAR_BLOCK);
    if (rest.length !== TAR_BLOCK || rest.some((byte) => byte !== 0))
      this.#complain('does not end with two blocks of zeros');
    this.#checkSums();
  }

  /** @returns whether it is there to its end */
  async #member(name: string, bytes: number): Promise<boolean> {
    const dot = name.indexOf('.');
    const [key, extension] = [name.slice(0, dot), name.slice(dot + 1)];
    if (dot < 0 || this.#sample?.key !== key) {
      this.#endSample();
      this.#checkKey(key, name);
      this.#sample = { key, extensions: [] };
    }
    const sample = this.#sample ?? { key, extensions: [] };
    if (sample.extensions.includes(extension)) this.#complain(`has a second member '${name}'`);
    sample.extensions.push(extension);
    const start = this.#reader.position;
    const more = await this.#content(sample, name, extension, bytes);
    const padding = await this.#reader.read(-bytes & (TAR_BLOCK - 1));
    if (this.#reader.position - start !== Math.ceil(bytes / TAR_BLOCK) * TAR_BLOCK) {
      this.#complain(`ends within '${name}'`);
      return false;
    }
    if (padding.some((byte) => byte !== 0)) this.#complain(`has something else than zeros behind '${name}'`);
    this.#sample = { ...sample, ...more };
    return true;
  }

  async #content(sample: SampleFacts, name: string, extension: string, bytes: number): Promise<Partial<SampleFacts>> {
    const known = extension === 'safetensors' || extension === 'json';
    if (!known || bytes > MEMBER_LIMIT) {
      if (known) this.#complain(`has a member '${name}' of ${bytes} bytes, too many to look at`);
      let seen = 0;
      for await (const piece of this.#reader.pieces(bytes)) seen += piece.length;
      if (seen === bytes && sample.bytes !== undefined && bytes !== sample.bytes)
        this.#complain(`has '${name}' of ${bytes} bytes in a sample of ${sample.bytes}`);
      return { bytes };
    }
    const content = await this.#reader.read(bytes);
    // A file that ends here is told of by the caller.
    if (content.length < bytes) return {};
    return extension === 'json' ? this.#json(sample, name, content) : await this.#safetensors(name, content);
  }

  async #safetensors(name: string, content: Buffer): Promise<Partial<SampleFacts>> {
    const { metadata } = parseSafetensorsHeader(content, content.length, name);
    const [patches, bytes, dim] = ['num_patches', 'total_bytes', 'embed_dim'].map((key) => Number(metadata[key]));
    const expected = { patches: patches ?? 0, bytes: bytes ?? 0, dim: dim ?? 0 };
    const { quantized } = this.#expected;
    const complain: Complain = (what) => this.#complain(`has a member '${name}' that ${what}`);
    await checkPatches(content, { ...expected, quantized }, complain, this.#open);
    return expected;
  }

  #json(sample: SampleFacts, name: string, content: Buffer): Partial<SampleFacts> {
    const facts = objectOf(content);
    if (facts === undefined) {
      this.#complain(`has a member '${name}' that is no JSON object`);
      return {};
    }
    for (const key of ['id', 'uri'])
      if (typeof facts[key] !== 'string') this.#complain(`has a member '${name}' without ${key}`);
    const number = (key: string): number | undefined => (typeof facts[key] === 'number' ? facts[key] : undefined);
    const told = { patches: number('num_patches'), bytes: number('total_bytes'), dim: number('embed_dim') };
    for (const key of ['patches', 'bytes', 'dim'] as const) {
      if (sample[key] !== undefined && told[key] !== sample[key])
        this.#complain(`has a member '${name}' that tells of ${told[key] ?? 'no'} ${key}, and it is ${sample[key]}`);
    }
    const part = number('part') ?? 0;
    if (part !== (this.#parse(sample.key)?.part ?? 0)) this.#complain(`has a member '${name}' of part ${part}`);
    return { ...told, part };
  }

  /** Numbers rise by one, parts within a document; the first of a file may go on with the last of the one before. */
  #checkKey(key: string, name: string): void {
    const place = this.#parse(key);
    if (place === undefined) {
      this.#complain(`has a member '${name}' whose key is none of split ${this.#expected.split}`);
      return;
    }
    const before = this.#last === undefined ? undefined : this.#parse(this.#last);
    const next = before !== undefined && place.number === before.number ? before.part + 1 : 0;
    const follows =
      before === undefined || (place.part === next && place.number - before.number === (next > 0 ? 0 : 1));
    if (!follows) this.#complain(`has the key '${key}' behind '${this.#last}'`);
    this.#last = key;
    this.#sums.samples++;
    if (place.part === 0) this.#sums.documents++;
  }

  #parse(key: string): { readonly number: number; readonly part: number } | undefined {
    const prefix = `${this.#expected.split}-`;
    const [, number, part = '0'] = /^(\d{8,})(?:_([1-9]\d*))?$/.exec(key.slice(prefix.length)) ?? [];
    if (number === undefined || !key.startsWith(prefix)) return undefined;
    return { number: Number(number), part: Number(part) };
  }

  #endSample(): void {
    const sample = this.#sample;
    if (sample === undefined) return;
    const kinds = sample.extensions.map((name) => (name === 'safetensors' || name === 'json' ? name : 'payload'));
    const shape = kinds.join();
    this.#shape ??= shape;
    if (shape !== this.#shape)
      this.#complain(`has a sample '${sample.key}' of ${shape}, and its first one has ${this.#shape}`);
    this.#sums.patches += sample.patches ?? 0;
    this.#sums.bytes += sample.bytes ?? 0;
    this.#sample = undefined;
  }

  #checkSums(): void {
    // Payloads alone do not tell of patches.
    const untold = this.#shape === 'payload' ? 'patches' : undefined;
    for (const key of ['samples', 'documents', 'patches', 'bytes'] as const) {
      const [found, count] = [this.#sums[key], this.#expected[key]];
      if (count !== undefined && found !== count && key !== untold)
        this.#complain(`holds ${found} ${key}, and was committed with ${count}`);
    }
  }
}

function objectOf(content: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return Object.fromEntries(Object.entries(value));
  } catch {
    return undefined;
  }
}
