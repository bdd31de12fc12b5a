import type { Tree } from 'web-tree-sitter';
import { type Loaded, parserMemory } from './grammars.ts';

/** Share of the steps that may be taken once there was an error: to recover from errors is what takes time. */
const ERROR_SHARE = 1 / 6;
/** Growth of the parser's memory at which parsing is given up, in bytes. */
const MOST_MEMORY = 320 << 20;

export type Parsed = { readonly tree: Tree } | { readonly skipped: 'steps' | 'memory' };

/**
 * Parses a source within limits that do not depend on the machine: steps of 100 operations each, counted by the parser. The
 * tree is to be deleted.
 */
export function parse({ parser, language }: Loaded, text: string, maxSteps: number): Parsed {
  parser.setLanguage(language);
  const before = parserMemory.buffer.byteLength;
  let steps = 0;
  let afterError = 0;
  let skipped: 'steps' | 'memory' = 'steps';
  const progressCallback = ({ hasError }: { readonly hasError: boolean }): boolean => {
    steps++;
    if (hasError) afterError++;
    const bytes = parserMemory.buffer.byteLength;
    if (bytes > before && bytes > MOST_MEMORY) {
      skipped = 'memory';
      return true;
    }
    return steps > maxSteps || afterError > maxSteps * ERROR_SHARE;
  };
  const tree = parser.parse(text, null, { progressCallback });
  if (tree !== null) return { tree };
  // what was cancelled would be taken up again by the next parse
  parser.reset();
  return { skipped };
}
