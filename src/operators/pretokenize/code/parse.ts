import type { Tree } from 'web-tree-sitter';
import { compiling, type Loaded, parserMemory } from './grammars.ts';

/** Share of the steps that may be taken once there was an error: to recover from errors is what takes time. */
const ERROR_SHARE = 1 / 6;
/** Growth of the parser's memory at which parsing is given up, in bytes. */
const MOST_MEMORY = 320 << 20;

/** Whether the parser has run out of memory at a place where it could not stop: nothing can be parsed in this process then. */
let isLost = false;

export type Parsed = { readonly tree: Tree } | { readonly skipped: 'steps' | 'memory' };

/**
 * Parses a source within limits that do not depend on the machine: steps of 100 operations each, counted by the parser. The
 * tree is to be deleted. Where memory runs out, what the process parses from then on is skipped too: the members behind it in
 * the same archive, since a process that large takes no other record.
 */
export function parse({ name, parser, language }: Loaded, text: string, maxSteps: number): Parsed {
  if (isLost) return { skipped: 'memory' };
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
  try {
    const tree = compiling(name, () => {
      parser.setLanguage(language);
      return parser.parse(text, null, { progressCallback });
    });
    if (tree !== null) return { tree };
    // what was cancelled would be taken up again by the next parse
    parser.reset();
    return { skipped };
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    isLost = true;
    return { skipped: 'memory' };
  }
}
