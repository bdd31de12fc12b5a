import type { RecordError } from '../errors.ts';
import { schemeOf } from '../storage/location.ts';
import type { FilePlan, Format, Piece } from './file-source.ts';
import type { FoundFile } from './walk.ts';

/** A file and how its format cuts it. */
export interface PlannedFile<T> {
  readonly file: FoundFile;
  readonly format: Format<T>;
  readonly pieces: AsyncIterable<Piece> | Iterable<Piece>;
}

/** Remote files that are looked at side by side: each costs a wait for its server. */
const AT_ONCE = 8;

/** Cuts files in their order. What remote ones say about themselves is asked for ahead, and told in order. */
export async function* planFiles<T>(
  files: AsyncIterable<FoundFile>,
  formatOf: (uri: string) => Format<T>,
  context: FilePlan,
): AsyncGenerator<PlannedFile<T>> {
  const ahead: Promise<Looked<T>>[] = [];
  const next = async function* (most: number): AsyncGenerator<PlannedFile<T>> {
    while (ahead.length > most) {
      const { rejects, failed, ...planned } = (await ahead.shift()) as Looked<T>;
      for (const error of rejects) context.reject(error);
      if (failed !== undefined) throw failed.error;
      yield planned;
    }
  };
  for await (const file of files) {
    const format = formatOf(file.uri);
    if (schemeOf(file.location) === undefined) {
      yield* next(0);
      yield { file, format, pieces: format.pieces(file, context) };
      continue;
    }
    ahead.push(look(file, format, context));
    yield* next(AT_ONCE - 1);
  }
  yield* next(0);
}

interface Looked<T> extends PlannedFile<T> {
  readonly rejects: readonly RecordError[];
  readonly failed: { readonly error: unknown } | undefined;
}

async function look<T>(file: FoundFile, format: Format<T>, context: FilePlan): Promise<Looked<T>> {
  const rejects: RecordError[] = [];
  const pieces: Piece[] = [];
  const own: FilePlan = { ...context, reject: (error) => rejects.push(error), open: (one) => context.open(one) };
  try {
    for await (const piece of format.pieces(file, own)) pieces.push(piece);
  } catch (error) {
    return { file, format, pieces, rejects, failed: { error } };
  }
  return { file, format, pieces, rejects, failed: undefined };
}
