import { readdirSync, readFileSync } from 'node:fs';
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

const sourceOf = (file: string): string =>
  readFileSync(new URL(`../test/fixtures/media/code/${file}.txt`, import.meta.url), 'utf8');

/** Source of this project, as programs are: the fixtures are all short definitions. */
function ownSource(): string {
  const folder = new URL('../src/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  let text = '';
  for (const file of files.sort()) {
    if (text.length >= BYTES) break;
    text += readFileSync(new URL(file, folder), 'utf8');
  }
  return text;
}

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
  const cases = CASES.map(([language, grammar, file]) => {
    const source = sourceOf(file);
    const text = source.repeat(Math.ceil(BYTES / source.length));
    return { name: `short definitions of ${language}`, language, grammar, file, text };
  });
  const own = { language: 'typescript', grammar: 'typescript', file: 'own.ts', text: ownSource() } as const;
  for (const { name, language, grammar, file, text } of [{ name: 'typescript of this project', ...own }, ...cases]) {
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
      case: name,
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
