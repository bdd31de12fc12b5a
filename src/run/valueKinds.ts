import { PipelineError } from '../errors.ts';

/** What the operators of sluice turn one into the next, and the operator that each comes from. */
const chain = [
  ['documents', undefined],
  ['segments', 'pretokenize()'],
  ['encoded runs', 'embed()'],
  ['patches', 'patch()'],
] as const;

export type ValueKind = (typeof chain)[number][0];

/**
 * Has an operator or a sink that is fed with something else say so.
 * @throws PipelineError `WRONG_VALUES`, with the operators that are missing in front of it
 */
export function requireValues(stage: string, takes: readonly ValueKind[], value: unknown): void {
  const got = kindOf(value);
  if (takes.some((kind) => kind === got)) return;
  throw new PipelineError(`${stage} takes ${takes.join(' or ')}, and ${got ?? 'values of another kind'} come to it`, {
    code: 'WRONG_VALUES',
    hint: takes.map((kind) => wayTo(kind, got)).join('; or '),
  });
}

function wayTo(kind: ValueKind, got: string | undefined): string {
  const from = chain.findIndex(([name]) => name === got);
  const to = chain.findIndex(([name]) => name === kind);
  if (from === -1) return `put it behind ${chain[to]?.[1] ?? 'the source'}`;
  if (from > to) return `put it before ${chain[to + 1]?.[1]}`;
  const missing = chain.slice(from + 1, to + 1).map(([, operator]) => operator);
  return `put ${missing.join(', ')} before it`;
}

function kindOf(value: unknown): ValueKind | 'batches' | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('values' in value && 'units' in value) return 'batches';
  if ('segment' in value && 'lengths' in value) return 'patches';
  if ('segment' in value && 'entropies' in value) return 'encoded runs';
  if ('document' in value && 'bytes' in value) return 'segments';
  return 'source' in value && 'bytes' in value ? 'documents' : undefined;
}
