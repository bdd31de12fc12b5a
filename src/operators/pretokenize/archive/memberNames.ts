import { unsafeName } from '../../../archives/memberName.ts';
import { Failure } from '../../../sources/failure.ts';

/** Characters of a name at most: names of nested members add up, and each of their segments bears the whole. */
const LONGEST = 1024;
/** How much of a longer one is told. */
const TOLD = 120;

/** Gives each member of an archive a name of its own. Names are told, never followed: they become no paths. */
export class MemberNames {
  readonly #taken = new Set<string>();
  /** How often a name has come already. */
  readonly #times = new Map<string, number>();

  /** A name that no other member has: the second `a.txt` is `a~2.txt`. */
  unique(name: string): string {
    let own = name;
    if (this.#taken.has(name)) {
      let times = this.#times.get(name) ?? 1;
      do own = numbered(name, ++times);
      while (this.#taken.has(own));
      this.#times.set(name, times);
    }
    this.#taken.add(own);
    return own;
  }
}

function numbered(name: string, times: number): string {
  const dot = name.lastIndexOf('.');
  return dot > name.lastIndexOf('/') + 1 ? `${name.slice(0, dot)}~${times}${name.slice(dot)}` : `${name}~${times}`;
}

/** A name that can be told: nothing but characters, and not too many of them. */
export function toldName(name: string): string {
  const plain = name.replace(/\p{Cc}/gu, '\ufffd').toWellFormed();
  return plain.length <= LONGEST ? plain : `${plain.slice(0, TOLD).toWellFormed()}...`;
}

/** Why a member must not be known by its name; undefined for a harmless one. */
export function refusedName(name: string): Failure | undefined {
  if (name.length <= LONGEST) return unsafeName(name);
  return new Failure('UNSAFE_PATH', `the member name ${JSON.stringify(toldName(name))} has ${name.length} characters`);
}
