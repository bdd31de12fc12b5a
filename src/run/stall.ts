import { SluiceError } from '../errors.ts';
import type { SplitRun } from './splitRun.ts';

/** A flow that waits for something that will never come. */
export class StallError extends SluiceError {
  override name = 'StallError';
}

/** Tells, stage by stage from source to sink, what is waiting where; the last full stage is the one to look at. */
export function explainStall(splits: Iterable<SplitRun>): string {
  const lines: string[] = [];
  for (const split of splits) {
    const { tally } = split;
    lines.push(`split ${split.split.id}: ${tally.documentsRead} documents read, ${tally.bytes} bytes written`);
    for (const stage of [...split.stages].reverse()) lines.push(`  ${describe(stage)}`);
  }
  return lines.length === 0 ? 'no split was in hand' : lines.join('\n');
}

function describe(stage: SplitRun['stages'][number]): string {
  const { inlet, room, name } = stage;
  if (inlet === undefined) return name;
  const full = inlet.full ? ', FULL: it waits for its own tasks or for the stage after it' : '';
  const bytes = room.bytes === undefined ? '' : `, ${inlet.bytes} of ${room.bytes} bytes`;
  return `${name}: ${inlet.items} of ${room.items ?? 'any number of'} values${bytes}${full}`;
}

/**
 * Notices a run that can no longer end: Node leaves quietly, with exit code 0, when nothing is left that could wake it.
 * @returns a function that stops watching
 */
export function watchForStall(splits: () => Iterable<SplitRun>, onStall: (error: StallError) => void): () => void {
  const stalled = (): void => {
    onStall(
      new StallError('the flow stopped without an end: nothing is left that could continue it', {
        code: 'STALLED',
        hint: `a stage waits for a promise that never settles\n${explainStall(splits())}`,
      }),
    );
  };
  process.on('beforeExit', stalled);
  return () => process.off('beforeExit', stalled);
}
