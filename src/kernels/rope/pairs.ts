import { ELEMENT_LANES, ELEMENT_MAIN } from '../elements.ts';
import type { Form } from '../kernel.ts';

/** A kernel that turns pairs of a buffer by angles, each pair on its own. */
export interface Turning<S extends string> {
  /** The buffer f32[any, headDim] whose pairs are turned in place. Angles are f32[any, headDim]: cos, sin of each pair in turn. */
  readonly buffer: string;
  /** By the angles' negatives. */
  readonly back: boolean;
  /**
   * WGSL `fn element(at: u32)`, which calls `turn(place, angle)` for the `at`-th piece of what is turned, or does nothing
   * where there is none. A piece is `WIDTH` elements; `place` and `angle` count pieces of the buffer and of the angles.
   */
  readonly code: string;
  /** Elements that are turned. */
  count(sizes: Readonly<Record<S | 'headDim', number>>): number;
}

/** Forms with an invocation to two pairs where they fill vectors of four, else to one pair. */
export function pairForms<S extends string>({ buffer, back, code, count }: Turning<S>): Form<S | 'headDim'>[] {
  return [4, 2].map((width) => ({
    name: width === 4 ? 'invocation4' : 'invocation',
    vectors: width === 4,
    code: `
const WIDTH = ${width}u;
fn turned(pair: vec2<f32>, angle: vec2<f32>) -> vec2<f32> {
  let s = ${back ? '-' : ''}angle.y;
  return vec2(pair.x * angle.x - pair.y * s, pair.x * s + pair.y * angle.x);
}
${width === 4 ? turnTwo(buffer) : turnOne(buffer)}
${code}
${ELEMENT_MAIN}`,
    fits: ({ headDim }) => headDim % width === 0,
    workgroups: (sizes) => Math.ceil(count(sizes) / width / ELEMENT_LANES),
  }));
}

const turnTwo = (buffer: string): string => `
fn turn(place: u32, angle: u32) {
  let pairs = ${buffer}[place];
  let by = angles[angle];
  ${buffer}[place] = vec4(turned(pairs.xy, by.xy), turned(pairs.zw, by.zw));
}`;

const turnOne = (buffer: string): string => `
fn turn(place: u32, angle: u32) {
  let first = 2u * place;
  let pair = turned(vec2(${buffer}[first], ${buffer}[first + 1u]), vec2(angles[2u * angle], angles[2u * angle + 1u]));
  ${buffer}[first] = pair.x;
  ${buffer}[first + 1u] = pair.y;
}`;
