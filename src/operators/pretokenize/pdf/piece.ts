import type { Fragment } from './readingOrder.ts';

/** Distance of characters of a line, in heights of a character, above which they are pieces by themselves. */
const APART = 1;
/** Distance across the line, in heights of a character, up to which characters touch. */
const TOUCHING = 0.1;
/** Extents, in heights of a character, of a piece in which each character stands below the one before, as in Chinese and Japanese. */
const COLUMN_WIDTH = 1.5;
const COLUMN_HEIGHT = 2;
/** Radians from a quarter turn up to which writing counts as along it. */
const SLANT = 0.1;

/** A piece of a line while its words come. Edges are left, top, right and bottom of a character, in points. */
export class Piece {
  /** Quarter turns, anticlockwise. */
  readonly #turns: number;
  readonly #slanted: boolean;
  #text = '';
  #start = 0;
  #end = 0;
  #top = 0;
  #bottom = 0;
  /** Height of the first character. */
  #height = 0;
  #firstStart = 0;
  #lastStart = 0;
  #lastEnd = 0;
  #isEmpty = true;
  /** Edges of the character that is looked at. */
  #newStart = 0;
  #newEnd = 0;
  #newTop = 0;
  #newBottom = 0;

  /** @param angle radians, clockwise */
  constructor(angle: number) {
    const turns = angle / (Math.PI / 2);
    const nearest = Math.round(turns);
    this.#turns = (4 - (nearest % 4)) % 4;
    this.#slanted = !(Math.abs(turns - nearest) * (Math.PI / 2) <= SLANT);
  }

  add(text: string): void {
    this.#text += text;
  }

  /** Whether a character stands too far off to be of the same piece. */
  isApart(edges: Float32Array): boolean {
    this.#turn(edges);
    const along = Math.max(this.#newStart - this.#lastEnd, this.#lastStart - this.#newEnd);
    const down = Math.max(this.#newTop - this.#bottom, this.#top - this.#newBottom);
    const far = APART * this.#height;
    if (along > far || down > far) return true;
    if (down <= TOUCHING * this.#height) return false;
    const isColumn = this.#end - this.#start <= COLUMN_WIDTH * this.#height;
    return !(isColumn && this.#newTop > this.#bottom && along < 0);
  }

  place(edges: Float32Array): void {
    this.#turn(edges);
    if (this.#isEmpty) {
      this.#isEmpty = false;
      this.#start = this.#newStart;
      this.#end = this.#newEnd;
      this.#top = this.#newTop;
      this.#bottom = this.#newBottom;
      this.#height = this.#bottom - this.#top;
      this.#firstStart = this.#start;
    } else {
      this.#start = Math.min(this.#start, this.#newStart);
      this.#end = Math.max(this.#end, this.#newEnd);
      this.#top = Math.min(this.#top, this.#newTop);
      this.#bottom = Math.max(this.#bottom, this.#newBottom);
    }
    this.#lastStart = this.#newStart;
    this.#lastEnd = this.#newEnd;
  }

  fragment(): Fragment {
    const isColumn =
      this.#bottom - this.#top > COLUMN_HEIGHT * this.#height && this.#end - this.#start <= COLUMN_WIDTH * this.#height;
    return {
      text: this.#text.trim(),
      turns: this.#slanted || isColumn ? undefined : this.#turns,
      start: this.#start,
      end: this.#end,
      top: this.#top,
      bottom: this.#bottom,
      leftwards: this.#lastStart < this.#firstStart,
    };
  }

  /** Takes edges as they are along the direction of writing, and down the lines. */
  #turn(edges: Float32Array): void {
    const left = edges[0] ?? 0;
    const top = edges[1] ?? 0;
    const right = edges[2] ?? 0;
    const bottom = edges[3] ?? 0;
    const turns = this.#turns;
    this.#newStart = turns === 0 ? left : turns === 1 ? bottom : turns === 2 ? -right : -top;
    this.#newEnd = turns === 0 ? right : turns === 1 ? top : turns === 2 ? -left : -bottom;
    this.#newTop = turns === 0 ? -top : turns === 1 ? left : turns === 2 ? bottom : -right;
    this.#newBottom = turns === 0 ? -bottom : turns === 1 ? right : turns === 2 ? top : -left;
  }
}
