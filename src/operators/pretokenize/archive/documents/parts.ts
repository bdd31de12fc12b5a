import type { ZipMember } from '../../../../archives/zipDirectory.ts';
import { Failure } from '../../../../sources/failure.ts';
import type { CutContext } from '../../modality.ts';
import { damage } from '../members.ts';
import { openZip, type ZipArchive } from '../zip.ts';

/** The parts of a document by their names; nothing outside of the archive can be reached by any name. */
export class Parts {
  readonly #archive: ZipArchive;
  readonly #context: CutContext;
  readonly #parts = new Map<string, ZipMember>();

  private constructor(archive: ZipArchive, context: CutContext) {
    this.#archive = archive;
    this.#context = context;
  }

  /** @throws Failure `DAMAGED_FILE`, `EXPANSION_LIMIT`, `TOO_MANY_MEMBERS` */
  static async open(bytes: Uint8Array<ArrayBuffer>, maxExpansion: number, context: CutContext): Promise<Parts> {
    const archive = await openZip(bytes, maxExpansion);
    const parts = new Parts(archive, context);
    try {
      for await (const member of archive.members()) {
        context.budget.takeMember();
        const name = keyOf(member.name);
        if (!parts.#parts.has(name)) parts.#parts.set(name, member);
      }
    } catch (error) {
      throw error instanceof Failure ? damage(error) : error;
    }
    return parts;
  }

  has(name: string): boolean {
    return this.#parts.has(keyOf(name));
  }

  /**
   * What `use` makes of a part, whose bytes are charged meanwhile.
   * @throws Failure `DAMAGED_FILE` where it is not there or cannot be unpacked; `ENCRYPTED`, `DECODED_TOO_LARGE`
   */
  async read<T>(name: string, use: (bytes: Uint8Array) => T): Promise<T> {
    const { budget } = this.#context;
    const part = this.#parts.get(keyOf(name));
    if (part === undefined) throw new Failure('DAMAGED_FILE', `the document has no part '${name}'`);
    if (part.refused !== undefined) throw part.refused;
    budget.take(part.size, `part '${part.name}'`);
    try {
      return use(await this.#archive.content(part).catch(asDamage));
    } finally {
      budget.take(-part.size, part.name);
    }
  }
}

function asDamage(error: unknown): never {
  if (!(error instanceof Failure)) throw error;
  throw new Failure('DAMAGED_FILE', error.message, error.hint, error);
}

/** Names are the same whatever their case (ECMA-376, part 2); some writers begin them with a slash, or use the other one. */
const keyOf = (name: string): string => name.replaceAll('\\', '/').replace(/^\/+/, '').toLowerCase();

/** The part that a reference in another one means (RFC 3986, 5.2), percent signs decoded. */
export function resolvePart(from: string, reference: string): string {
  const path = reference.replace(/[#?].*$/s, '');
  const base = path.startsWith('/') ? [] : from.split('/').slice(0, -1);
  const parts = [...base];
  for (const step of path.split('/')) {
    if (step === '..') parts.pop();
    else if (step !== '' && step !== '.') parts.push(step);
  }
  const joined = parts.join('/');
  try {
    return decodeURIComponent(joined);
  } catch {
    return joined;
  }
}
