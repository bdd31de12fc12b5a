import { Failure } from './failure.ts';
import { isSpace, JsonValue } from './json-value.ts';
import { concat } from './parts.ts';

/** One element of an array, as it stands in the file. */
export interface JsonElement {
  /** Its source text; often a view into the chunk it came in. Empty where it is too long. */
  readonly bytes: Uint8Array;
  /** Offset of the first byte in the stream. */
  readonly byte: number;
  /** Levels of objects and arrays, itself included. */
  readonly depth: number;
  /** Length of an element that was dropped because it is longer than allowed. */
  readonly tooLong?: number | undefined;
}

/** Where a part of a file begins that does not begin with the file: with an element of the array. */
export interface Inside {
  readonly byte: number;
  /** Objects around the array. */
  readonly around: number;
}

/** What may come next. */
type State =
  | 'value'
  | 'otherValue'
  | 'firstMember'
  | 'member'
  | 'colon'
  | 'afterMember'
  | 'firstOfMember'
  | 'firstElement'
  | 'nextElement'
  | 'afterElement'
  | 'end';

/** The value that is being passed: a member's name, an element, or what is of no use. */
type Passing = 'name' | 'element' | 'other';

const NOTHING = new Uint8Array(0);
const [OPEN, CLOSE, LIST, LIST_END, COMMA, COLON, QUOTE] = Buffer.from('{}[],:"');
/** A longer name is not the way to the rows. */
const NAME_BYTES = 1 << 10;

/** Marks with which no value begins. */
const isMark = (byte: number): boolean => byte === COMMA || byte === COLON || byte === CLOSE || byte === LIST_END;

function invalid(byte: number): Failure {
  const shown = byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `byte 0x${byte.toString(16)}`;
  return new Failure('INVALID_JSON', `${shown} cannot stand there`, 'What lies before was read.');
}

const NO_ROWS_HINT =
  "Name the array: json(path, { at: 'data.rows' }). A file that is no table is a document where no column is named: " +
  'leave out --text-column and --id-column, or columns, where, id and text.';

/**
 * Cuts the rows out of a JSON file that comes in chunks: the elements of the array at a path of member names; without a
 * path those of the file's own array, or else of the first array of objects among the members of the file's object. Holds
 * at most `maxBytes` of one element, and leaves it to others to read it.
 */
export class JsonElements {
  readonly #path: readonly string[] | undefined;
  readonly #maxBytes: number;
  readonly #value = new JsonValue();
  #state: State;
  #passing: Passing | undefined;
  /** Objects entered on the way. */
  #around: number;
  #found: boolean;
  #name = '';
  /** Members that hold arrays of objects. */
  readonly #candidates: string[] = [];
  #held: Uint8Array[] = [];
  #valueBytes = 0;
  #valueStart = 0;
  #chunkStart: number;

  constructor(path: readonly string[] | undefined, maxBytes: number, inside?: Inside) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#state = inside === undefined ? 'value' : 'nextElement';
    this.#found = inside !== undefined;
    this.#around = inside?.around ?? 0;
    this.#chunkStart = inside?.byte ?? 0;
  }

  /** Moves the start behind bytes that are not pushed. */
  skip(bytes: number): void {
    this.#chunkStart += bytes;
  }

  /** Offset of the value that is not finished yet, else of what comes next. */
  get byte(): number {
    return this.#passing === undefined ? this.#chunkStart : this.#valueStart;
  }

  /** Objects around the elements. */
  get around(): number {
    return this.#around;
  }

  /** @throws Failure `INVALID_JSON`, `NO_ROWS` (no array where the path leads), `JSON_LINES`; `byte` says where */
  *push(chunk: Uint8Array): Generator<JsonElement> {
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const start = this.#chunkStart;
    for (let at = 0; at < view.length; ) {
      if (this.#passing === undefined) {
        this.#chunkStart = start + at;
        const byte = view[at] ?? 0;
        if (isSpace(byte)) at++;
        else {
          this.#passing = this.#step(byte);
          if (this.#passing === undefined) at++;
          else this.#valueStart = start + at;
        }
        continue;
      }
      const end = this.#value.end(view, at);
      const piece = chunk.subarray(at, end === -1 ? view.length : end);
      if (end === -1) {
        this.#hold(piece);
        break;
      }
      if (this.#passing === 'element') yield this.#element(piece);
      else if (this.#passing === 'name') this.#named(piece);
      this.#drop();
      this.#passing = undefined;
      at = end;
    }
    this.#chunkStart = start + view.length;
  }

  /** @throws Failure `TRUNCATED`, `NO_ROWS`, `AMBIGUOUS_ROWS` */
  finish(): void {
    if (this.#state !== 'end' || this.#passing !== undefined) {
      throw new Failure('TRUNCATED', 'the file ends too early', 'Copy it again; the elements before were read.');
    }
    if (!this.#found) throw this.#noRows();
    const [rows, other] = this.#candidates;
    if (other === undefined) return;
    throw new Failure(
      'AMBIGUOUS_ROWS',
      `its rows were taken from '${rows}', and '${other}' is an array of objects, too`,
      "Say which one is meant with 'at'.",
    );
  }

  #noRows(): Failure {
    const what =
      this.#path === undefined
        ? 'it is neither an array nor an object that has an array of objects'
        : `there is no array at '${this.#path.join('.')}'`;
    return new Failure('NO_ROWS', what, NO_ROWS_HINT);
  }

  /** Takes the first byte of what comes next; says which value begins with it, if one does. */
  #step(byte: number): Passing | undefined {
    switch (this.#state) {
      case 'value':
        return this.#onTheWay(byte);
      case 'otherValue':
        if (isMark(byte)) throw invalid(byte);
        return this.#begin('other', 'afterMember');
      case 'firstOfMember':
        return this.#candidate(byte);
      case 'firstMember':
      case 'member':
        if (byte === CLOSE && this.#state === 'firstMember') return this.#leave();
        if (byte !== QUOTE) throw invalid(byte);
        return this.#begin('name', 'colon');
      case 'colon':
        if (byte !== COLON) throw invalid(byte);
        this.#state = this.#leads() ? 'value' : 'otherValue';
        return undefined;
      case 'afterMember':
        if (byte === CLOSE) return this.#leave();
        if (byte !== COMMA) throw invalid(byte);
        this.#state = 'member';
        return undefined;
      case 'firstElement':
      case 'nextElement':
        if (byte === LIST_END && this.#state === 'firstElement') return this.#endOfList();
        if (isMark(byte)) throw invalid(byte);
        return this.#begin('element', 'afterElement');
      case 'afterElement':
        if (byte === LIST_END) return this.#endOfList();
        if (byte !== COMMA) throw invalid(byte);
        this.#state = 'nextElement';
        return undefined;
      case 'end':
        if (byte !== OPEN && byte !== LIST) throw invalid(byte);
        throw new Failure(
          'JSON_LINES',
          'another value follows the first: the file is JSON Lines',
          'Read it with jsonl.',
        );
    }
  }

  #begin(passing: Passing, behind: State, depth = 0): Passing {
    this.#value.begin(depth);
    this.#state = behind;
    return passing;
  }

  /** Whether the member whose name was just read is on the way. */
  #leads(): boolean {
    if (this.#path === undefined) return this.#around === 1;
    return !this.#found && this.#path[this.#around - 1] === this.#name;
  }

  #onTheWay(byte: number): Passing | undefined {
    if (isMark(byte)) throw invalid(byte);
    const arrived = this.#around === (this.#path?.length ?? 0);
    if (byte === LIST && arrived) {
      this.#found = true;
      this.#state = 'firstElement';
    } else if (byte === LIST && this.#path === undefined) this.#state = 'firstOfMember';
    else if (byte === OPEN && (this.#path === undefined ? this.#around === 0 : !arrived)) {
      this.#around++;
      this.#state = 'firstMember';
    } else if (this.#path === undefined && this.#around > 0) return this.#begin('other', 'afterMember');
    else throw this.#noRows();
    return undefined;
  }

  /** Behind the bracket of a member's array: only one of objects may hold the rows. */
  #candidate(byte: number): Passing {
    // Two are enough to know that there are several.
    if (byte === OPEN && this.#candidates.length < 2) this.#candidates.push(this.#name);
    if (byte !== OPEN || this.#found) return this.#begin('other', 'afterMember', 1);
    this.#found = true;
    return this.#begin('element', 'afterElement');
  }

  #endOfList(): undefined {
    this.#state = this.#around === 0 ? 'end' : 'afterMember';
  }

  #leave(): undefined {
    this.#around--;
    this.#endOfList();
  }

  #named(last: Uint8Array): void {
    this.#hold(last);
    this.#name = '';
    if (this.#valueBytes > NAME_BYTES) return;
    try {
      this.#name = JSON.parse(Buffer.concat(this.#held).toString('utf8'));
    } catch (error) {
      throw new Failure('INVALID_JSON', 'the name of a member is not JSON', undefined, error);
    }
  }

  #hold(piece: Uint8Array): void {
    this.#valueBytes += piece.length;
    const limit = this.#passing === 'element' ? this.#maxBytes : this.#passing === 'name' ? NAME_BYTES : 0;
    if (this.#valueBytes > limit) this.#held = [];
    else this.#held.push(piece);
  }

  #element(last: Uint8Array): JsonElement {
    const [byte, depth, length] = [this.#valueStart, this.#value.deepest, this.#valueBytes + last.length];
    if (length > this.#maxBytes) return { bytes: NOTHING, byte, depth, tooLong: length };
    const bytes = this.#held.length === 0 ? last : concat([...this.#held, last], length);
    return { bytes, byte, depth };
  }

  #drop(): void {
    this.#held = [];
    this.#valueBytes = 0;
  }
}
