import type { Document } from '../records.ts';
import type { Format, Piece, Range, Reading } from './file-source.ts';
import type { OpenFile } from './open-file.ts';
import { cutPoint, partCount, partPlan } from './parts.ts';
import type { PlanContext } from './source.ts';
import type { FoundFile } from './walk.ts';

/** A file's own facts. */
export type FileMeta = Record<never, never>;

/** Code unit that a byte-order mark announces: cuts must not fall inside one. */
function unitOf(head: Uint8Array): 1 | 2 | 4 {
  const [a, b, c, d] = head;
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 4;
  // A multiple of four is right for UTF-16 too, and keeps FF FE 00 00 (UTF-32, little end first) whole.
  return (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) ? 4 : 1;
}

/** Every file is a document; one larger than `maxBytes` is cut into parts that are never all in memory. */
export function plainFormat(maxBytes: number): Format<Document<FileMeta>> {
  const plan = partPlan(maxBytes);
  return {
    name: 'plain',
    *pieces(file: FoundFile, context: PlanContext): Generator<Piece> {
      const parts = partCount(file.size, plan);
      const step = Math.max(1, Math.floor(context.splitBytes / plan.stride));
      for (let first = 0; first < parts; first += step) {
        const last = Math.min(parts, first + step);
        const end = last === parts ? file.size : last * plan.stride;
        yield { bytes: end - first * plan.stride, range: { first, last } };
      }
    },
    holds: () => maxBytes,
    async *read(file: OpenFile, range: Range, reading: Reading): AsyncGenerator<readonly Document<FileMeta>[]> {
      const parts = partCount(file.size, plan);
      const { first = 0, last = parts } = range;
      const unit = parts === 1 ? 1 : unitOf(await file.read(0, Math.min(4, file.size)));
      const boundary = async (part: number): Promise<number> => {
        if (part === 0) return 0;
        if (part >= parts) return file.size;
        const start = part * plan.stride;
        return (
          (unit === 1 ? start : start - (start % unit)) + cutPoint(await file.read(start, start + plan.window), unit)
        );
      };
      let start = await boundary(first);
      for (let part = first; part < last; part++) {
        const end = await boundary(part + 1);
        const bytes = await file.read(start, end);
        const ordinal = reading.ordinal();
        const whole = parts === 1;
        yield [
          {
            id: whole ? file.uri : `${file.uri}#${part}`,
            source: {
              split: reading.split,
              uri: file.uri,
              position: whole ? { ordinal, byte: 0 } : { ordinal, byte: start, part },
            },
            bytes,
            meta: {},
          },
        ];
        start = end;
      }
    },
  };
}
