import { Failure } from '../../../sources/failure.ts';
import type { CutContext } from '../modality.ts';
import { type Cut, isRefused } from '../view.ts';
import { MemberNames, refusedName, toldName } from './memberNames.ts';

/** One member, as its archive tells of it. */
export interface ArchiveMember {
  readonly name: string;
  readonly size: number;
  /** Why it is left out. */
  readonly refused?: Failure | undefined;
  /** Its content; a view of what is charged already, or charged here before it is made. */
  content(): Uint8Array | Promise<Uint8Array>;
}

/** Codes of the readers of archives for what ends an archive, which is damage to whoever takes a record apart. */
export const DAMAGE: ReadonlySet<string> = new Set([
  'CORRUPT_ARCHIVE',
  'CORRUPT_COMPRESSION',
  'NOT_TAR',
  'NOT_ZIP',
  'TRUNCATED',
]);

/** What is wrong with an archive as a whole. */
export const damage = (error: Failure): Failure =>
  DAMAGE.has(error.code) ? new Failure('DAMAGED_FILE', error.message, error.hint, error) : error;

/** Gathers what the members of an archive are cut into, each accounted for: cuts or a reason. */
export class Members {
  readonly #context: CutContext;
  readonly #names = new MemberNames();
  readonly #cuts: Cut[] = [];

  constructor(context: CutContext) {
    this.#context = context;
  }

  /** Cuts and reasons so far. */
  get count(): number {
    return this.#cuts.length;
  }

  /** @param charged whether its content lies in bytes that are charged already */
  async add(member: ArchiveMember, charged = false): Promise<void> {
    const { budget } = this.#context;
    budget.takeMember();
    const refused = refusedName(member.name) ?? member.refused;
    const name = this.#names.unique(toldName(member.name));
    try {
      if (refused !== undefined) throw refused;
      if (!charged) budget.take(member.size, `member '${name}'`);
      const bytes = await member.content();
      const cuts = await this.#context.member(name, bytes);
      this.#cuts.push(...cuts);
      if (!charged && !isHeld(bytes, cuts)) budget.take(-member.size, name);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const { code, message, hint } = error;
      this.#cuts.push({ suffix: `!/${name}`, member: name, code, message, hint });
    }
  }

  /** Says that the archive itself ends or is wrong, with what was read before it kept. */
  broken(error: Failure): void {
    const { code, message, hint } = damage(error);
    this.#cuts.push({ suffix: '', code, message, hint });
  }

  /** @throws Failure `EMPTY_DOCUMENT` where there was nothing */
  cuts(): readonly Cut[] {
    if (this.#cuts.length === 0) throw new Failure('EMPTY_DOCUMENT', 'there is no file in the archive');
    return this.#cuts;
  }
}

/** Whether something of a member was taken and its bytes go on: what is refused counts, so that bombs do not come cheap. */
const isHeld = (bytes: Uint8Array, cuts: readonly Cut[]): boolean =>
  cuts.every(isRefused) || cuts.some((cut) => !isRefused(cut) && cut.content === bytes);
