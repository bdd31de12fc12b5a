import { PipelineError } from '../../errors.ts';
import type { OptionNames } from '../../knownOptions.ts';

export interface SemanticOptions {
  /** The least cosine of two patches that are linked, between 0 and 1. Default: 0.8; for space `plain`, 0.98. */
  readonly threshold?: number | undefined;
  /** Most `semantic` edges of one patch, up to 32. Default: 4. */
  readonly neighbours?: number | undefined;
  /**
   * `whitened`: embeddings are compared by what they differ in from the mean, every direction scaled to the same variance, as
   * the patches of the shard show it. `plain`: as they are, for a model whose states were made to be compared by cosine.
   * Default: `whitened`.
   */
  readonly space?: 'whitened' | 'plain' | undefined;
  /** Of a signature, a multiple of 32, 64 to 4096: more find more of the pairs. Default: 512. */
  readonly bits?: number | undefined;
  /** The same between documents, by the mean of their states, in the database of the whole run; `false` for none. */
  readonly documents?:
    | false
    | {
        /** Default: 0.7; for space `plain`, 0.98. */
        readonly threshold?: number | undefined;
        /** Default: 4. */
        readonly neighbours?: number | undefined;
      }
    | undefined;
}

export const SEMANTIC_OPTIONS = {
  threshold: true,
  neighbours: true,
  space: true,
  bits: true,
  documents: { threshold: true, neighbours: true },
} as const satisfies OptionNames<SemanticOptions>;

/** What decides the edges, with every default in place. Plain data. */
export type SemanticSettings = {
  readonly threshold: number;
  readonly neighbours: number;
  readonly space: 'whitened' | 'plain';
  readonly bits: number;
  readonly documents: LinkSettings | null;
};

type LinkSettings = { readonly threshold: number; readonly neighbours: number };

const DEFAULT_THRESHOLDS = { whitened: { patches: 0.8, documents: 0.7 }, plain: { patches: 0.98, documents: 0.98 } };
const NEIGHBOURS = 4;
const BITS = 512;

/**
 * @param withDocuments whether there is a database for edges between documents
 * @throws PipelineError `BAD_THRESHOLD` or `BAD_OPTION`
 */
export function semanticSettings(options: SemanticOptions, withDocuments: boolean): SemanticSettings {
  const { space = 'whitened', bits = BITS, documents = {} } = options;
  if (!Object.hasOwn(DEFAULT_THRESHOLDS, space)) throw badOption('space', space, 'known: whitened, plain');
  if (!(Number.isInteger(bits / 32) && bits >= 64 && bits <= 4096))
    throw badOption('bits', bits, 'a multiple of 32, from 64 to 4096');
  const defaults = DEFAULT_THRESHOLDS[space];
  const between = documents === false ? undefined : linkSettings(documents, defaults.documents);
  return {
    ...linkSettings(options, defaults.patches),
    space,
    bits,
    documents: withDocuments && between !== undefined ? between : null,
  };
}

function linkSettings(
  { threshold, neighbours = NEIGHBOURS }: { threshold?: number | undefined; neighbours?: number | undefined },
  defaultThreshold: number,
): LinkSettings {
  const least = threshold ?? defaultThreshold;
  if (!(least > 0 && least < 1)) {
    throw new PipelineError(`hypergraph: nothing can be linked from a cosine of ${least} on`, {
      code: 'BAD_THRESHOLD',
      hint: 'a threshold lies between 0 and 1, both excluded',
    });
  }
  if (!(Number.isInteger(neighbours) && neighbours >= 1 && neighbours <= 32))
    throw badOption('neighbours', neighbours, 'a whole number from 1 to 32');
  return { threshold: least, neighbours };
}

function badOption(name: string, value: string | number, hint: string): PipelineError {
  return new PipelineError(`hypergraph: semantic edges with ${name} ${value} are not possible`, {
    code: 'BAD_OPTION',
    hint,
  });
}

/**
 * Settings that a database carries under `semantic`.
 * @throws PipelineError as `semanticSettings` does, or SyntaxError
 */
export function storedSettings(text: string): SemanticSettings {
  const { documents, ...patches } = JSON.parse(text);
  return semanticSettings({ ...patches, documents: documents ?? false }, true);
}
