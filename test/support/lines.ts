import type { Document, RecordError, Sink, Source, Split } from 'sluice';
import { pull } from 'sluice/flow';

/** Splits of numbered documents, `sizes[i]` in split i. */
export function numbers(
  sizes: readonly number[],
  onPlan?: (reject: (error: RecordError) => void) => void,
): Source<Document> {
  return {
    kind: 'numbers',
    options: { sizes },
    async *splits(context) {
      onPlan?.(context.reject);
      for (const [i, size] of sizes.entries()) yield { bytes: size, spec: i };
    },
    read: (split: Split) =>
      pull(function* () {
        const size = sizes[Number(split.spec)] ?? 0;
        for (let n = 0; n < size; n++) yield [document(split.id, n)];
      }),
  };
}

function document(split: string, n: number): Document {
  return {
    id: `${split}-${n}`,
    source: { split, uri: `numbers/${split}`, position: { ordinal: n } },
    bytes: new TextEncoder().encode(`${split}:${n}`),
    meta: {},
  };
}

/** Writes the bytes of every value as a line of `lines/<split>.txt`. */
export function lines(onWrite?: (value: { bytes: Uint8Array }) => void | Promise<void>): Sink<{ bytes: Uint8Array }> {
  return {
    kind: 'lines',
    options: { dir: 'lines' },
    holds: 1 << 20,
    async open(context) {
      const file = await context.file(`lines/${context.split.id}.txt`);
      let count = 0;
      return {
        async write(value) {
          await onWrite?.(value);
          count++;
          await file.write(Buffer.concat([value.bytes, Buffer.from('\n')]));
        },
        async finish() {
          if (count > 0) await file.publish({ format: 'lines', lines: count });
          return { lines: count };
        },
      };
    },
  };
}
