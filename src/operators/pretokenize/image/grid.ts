import type { ImageSettings } from './options.ts';
import type { Size } from './picture.ts';

/** Patches of a picture: so many in a row, so many rows. */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
}

type Spacing = Pick<ImageSettings, 'patchSize' | 'stride' | 'edges'>;

/** The fewest patches, `stride` pixels apart, that cover a picture; with `crop`, the most that lie within it. */
export function gridOf({ width, height }: Size, spacing: Spacing): Grid {
  return { columns: along(width, spacing), rows: along(height, spacing) };
}

function along(side: number, { patchSize, stride, edges }: Spacing): number {
  const steps = (side - patchSize) / stride;
  if (edges === 'crop') return Math.max(0, Math.floor(steps) + 1);
  return Math.max(0, Math.ceil(steps)) + 1;
}

/**
 * Cells of a grid (`row * columns + column`) in the order of a generalized Hilbert curve: a rectangle is halved across its
 * longer side, or cut into three parts around its first half, until it is a line (the "gilbert" curve, Cerveny 2018). Every
 * cell comes once, beside the one before it; a step may be diagonal where a side is odd.
 */
export function hilbertOrder({ columns, rows }: Grid): Uint32Array {
  const order = new Uint32Array(columns * rows);
  let count = 0;
  const walk = (x: number, y: number, ax: number, ay: number, bx: number, by: number): void => {
    const along = Math.abs(ax + ay);
    const across = Math.abs(bx + by);
    const aStepX = Math.sign(ax);
    const aStepY = Math.sign(ay);
    const bStepX = Math.sign(bx);
    const bStepY = Math.sign(by);
    if (across === 1 || along === 1) {
      const stepX = across === 1 ? aStepX : bStepX;
      const stepY = across === 1 ? aStepY : bStepY;
      const cells = Math.max(along, across);
      for (let n = 0; n < cells; n++) order[count++] = (y + n * stepY) * columns + x + n * stepX;
      return;
    }
    let halfAX = Math.trunc(ax / 2);
    let halfAY = Math.trunc(ay / 2);
    let halfBX = Math.trunc(bx / 2);
    let halfBY = Math.trunc(by / 2);
    if (2 * along > 3 * across) {
      // parts of even length begin and end on the same side
      if (Math.abs(halfAX + halfAY) % 2 === 1 && along > 2) {
        halfAX += aStepX;
        halfAY += aStepY;
      }
      walk(x, y, halfAX, halfAY, bx, by);
      walk(x + halfAX, y + halfAY, ax - halfAX, ay - halfAY, bx, by);
      return;
    }
    if (Math.abs(halfBX + halfBY) % 2 === 1 && across > 2) {
      halfBX += bStepX;
      halfBY += bStepY;
    }
    walk(x, y, halfBX, halfBY, halfAX, halfAY);
    walk(x + halfBX, y + halfBY, ax, ay, bx - halfBX, by - halfBY);
    const lastX = x + ax - aStepX + halfBX - bStepX;
    const lastY = y + ay - aStepY + halfBY - bStepY;
    walk(lastX, lastY, -halfBX, -halfBY, -(ax - halfAX), -(ay - halfAY));
  };
  if (columns >= rows) walk(0, 0, columns, 0, 0, rows);
  else walk(0, 0, 0, rows, columns, 0);
  return order;
}
