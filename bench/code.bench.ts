import { readFileSync } from 'node:fs';
import { settledLimits } from '../src/decoders/limits.ts';
import { Budget } from '../src/operators/pretokenize/budget.ts';
import { cutCode } from '../src/operators/pretokenize/code/cut.ts';
import { loadGrammar } from '../src/operators/pretokenize/code/grammars.ts';
import type { GrammarName } from '../src/operators/pretokenize/code/nodeKinds.ts';
import { settledCode } from '../src/operators/pretokenize/code/options.ts';
import type { Bench } from './harness.ts';

const BYTES = 500_000;

const CASES: readonly (readonly [language: string, grammar: GrammarName, file: string])[] = [
  ['rust', 'rust', 'rust.rs'],
  ['python', 'python', 'python.py'],
  ['javascript', 'javascript', 'javascript.js'],
  ['c', 'c', 'c.c'],
  ['java', 'java', 'java.java'],
];

/** Sources cut into definitions, against the parser alone that is given the text. */
export default async function code(bench: Bench): Promise<void> {
  const limits = settledLimits();
  const settings = settledCode();
  const context = {
    limits,
    budget: new Budget(limits),
    ffmpeg: undefined,
    maxSegmentBytes: 16 << 20,
    member: async () => [],
  };
  for (const [language, grammar, file] of CASES) {
    const source = readFileSync(new URL(`../test/fixtures/media/code/${file}.txt`, import.meta.url), 'utf8');
    const text = source.repeat(Math.ceil(BYTES / source.length));
    const bytes = Buffer.from(text);
    const { parser, language: loaded } = await loadGrammar(grammar);
    const input = {
      bytes,
      name: file,
      modality: 'code',
      mediaType: 'text/plain',
      confidence: 1,
      charset: 'utf-8',
      language,
    } as const;
    await bench.compare({
      case: `${language} to definitions`,
      measure: { unit: 'MB/cpu-s', of: (seconds) => bytes.length / 1e6 / seconds },
      run: () => cutCode(input, settings, context),
      peer: {
        name: 'parser alone',
        run: () => {
          parser.setLanguage(loaded);
          parser.parse(text)?.delete();
        },
      },
    });
  }
}
