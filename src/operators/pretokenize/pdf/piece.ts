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
    const [start, end] = this.#along(edges);
    const [top, bottom] = this.#down(edges);
    const along = Math.max(start - this.#lastEnd, this.#lastStart - end);
    const down = Math.max(top - this.#bottom, this.#top - bottom);
    const far = APART * this.#height;
    if (along > far || down > far) return true;
    if (down <= TOUCHING * this.#height) return false;
    return !(top > this.#bottom && along < 0 && this.#end - this.#start <= COLUMN_WIDTH * this.#height);
  }

  place(edges: Float32Array): void {
    const [start, end] = this.#along(edges);
    const [top, bottom] = this.#down(edges);
    if (this.#isEmpty) {
      this.#isEmpty = false;
      this.#start = start;
      this.#end = end;
      this.#top = top;
      this.#bottom = bottom;
      this.#height = bottom - top;
      this.#firstStart = start;
    } else {
      this.#start = Math.min(this.#start, start);
      this.#end = Math.max(this.#end, end);
      this.#top = Math.min(this.#top, top);
      this.#bottom = Math.max(this.#bottom, bottom);
    }
    this.#lastStart = start;
    this.#lastEnd = end;
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

  /** First and last edge in the direction of writing. */
  #along([left = 0, top = 0, right = 0, bottom = 0]: Float32Array): readonly [number, number] {
    if (this.#turns === 0) return [left, right];
    if (this.#turns === 1) return [bottom, top];
    return this.#turns === 2 ? [-right, -left] : [-top, -bottom];
  }

  /** First and last edge in the direction of lines. */
  #down([left = 0, top = 0, right = 0, bottom = 0]: Float32Array): readonly [number, number] {
    if (this.#turns === 0) return [-top, -bottom];
    if (this.#turns === 1) return [left, right];
    return this.#turns === 2 ? [bottom, top] : [-right, -left];
  }
}
