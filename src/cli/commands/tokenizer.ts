import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { Command, Option } from 'commander';
import { OutputError, SourceError } from '../../errors.ts';
import { loadTokenizer, type Pattern, saveTokenizer, trainBpe } from '../../tokenizers/index.ts';
import { PATTERNS } from '../../tokenizers/patterns.ts';
import { count, plural, bytes as sizeText } from '../format.ts';
import { jsonLine } from '../progress/reporters.ts';
import { positiveInteger, sizeValue } from '../values.ts';

interface TrainFlags {
  readonly vocabSize: number;
  readonly output: string;
  readonly pattern: Pattern;
  readonly minFrequency: number;
  readonly special: readonly string[];
  readonly maxMemory?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

interface EncodeFlags {
  readonly tokenizer: string;
  readonly added: 'find' | 'ignore';
  readonly json?: boolean;
}

export function tokenizerCommand(): Command {
  const train = new Command('train')
    .exitOverride()
    .argument('<file...>', 'texts in UTF-8, each by itself; - for standard input')
    .description('train a byte-level BPE tokenizer and write it as tokenizer.json')
    .requiredOption('--vocab-size <n>', 'tokens at most, the 256 bytes and special tokens among them', positiveInteger)
    .requiredOption('--output <file>', 'file to write')
    .addOption(new Option('--pattern <name>', 'how text is divided into words').choices(PATTERNS).default('gpt2'))
    .option('--min-frequency <n>', 'how often a pair must occur', positiveInteger, 2)
    .option('--special <token...>', 'tokens outside of the merges, such as <|endoftext|>', [])
    .option(
      '--max-memory <size>',
      'memory that training takes, such as 512MB; rare words are dropped beyond it',
      sizeValue,
    )
    .option('--force', 'replace a file that is there')
    .option('--json', 'one JSON object on stdout')
    .action(trained);
  const encode = new Command('encode')
    .exitOverride()
    .argument('<file...>', 'files to encode; - for standard input')
    .description('show the tokens of files')
    .requiredOption('--tokenizer <file>', 'a byte-level BPE tokenizer.json')
    .addOption(
      new Option('--added <how>', 'added tokens that stand in the text').choices(['find', 'ignore']).default('find'),
    )
    .option('--json', 'one JSON object per file: uri, bytes, ids')
    .action(encoded);
  return new Command('tokenizer')
    .description('train byte-level BPE tokenizers, and encode with them')
    .addCommand(train)
    .addCommand(encode);
}

async function trained(files: readonly string[], flags: TrainFlags): Promise<void> {
  const { output, vocabSize, pattern, minFrequency, special, maxMemory } = flags;
  if (existsSync(output) && !flags.force) {
    throw new OutputError(`${output} is there already`, {
      code: 'EXISTS',
      path: output,
      hint: 'replace it with --force',
    });
  }
  const options = { vocabSize, pattern, minFrequency, specialTokens: special, maxMemory };
  const { tokenizer, words, droppedWords } = await trainBpe(contents(files), options);
  const json = saveTokenizer(tokenizer);
  const temporary = `${output}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, json);
    await rename(temporary, output);
  } catch (error) {
    await rm(temporary, { force: true });
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
    throw new OutputError(`${output} cannot be written: ${message}`, { code, path: output, cause: error });
  }
  if (flags.json) jsonLine({ output, bytes: json.length, tokens: tokenizer.size, words, dropped_words: droppedWords });
  else {
    const dropped =
      droppedWords === 0 ? '' : `; ${plural(droppedWords, 'rare word')} dropped to keep within the memory`;
    process.stdout.write(
      `${output}: ${sizeText(Buffer.byteLength(json))}, ${plural(tokenizer.size, 'token')} from ${plural(words, 'distinct word')}${dropped}\n`,
    );
  }
}

async function encoded(files: readonly string[], flags: EncodeFlags): Promise<void> {
  const tokenizer = loadTokenizer(await read(flags.tokenizer));
  for (const file of files) {
    const content = await read(file);
    const ids = tokenizer.encode(content, { added: flags.added });
    if (flags.json) jsonLine({ uri: file, bytes: content.length, ids: [...ids] });
    else {
      const each = ids.length === 0 ? '' : `, ${(content.length / ids.length).toFixed(2)} bytes each`;
      process.stdout.write(`${file}: ${sizeText(content.length)}, ${count(ids.length)} tokens${each}\n`);
    }
  }
}

async function* contents(files: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const file of files) yield await read(file);
}

async function read(file: string): Promise<Uint8Array> {
  if (file === '-') return buffer(process.stdin);
  try {
    return await readFile(file);
  } catch (error) {
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException;
    const hint = code === 'EISDIR' ? `give the files in it: ${file.replace(/[/\\]+$/, '')}/*` : undefined;
    throw new SourceError(`${file} cannot be read: ${message}`, { code, path: file, hint, cause: error });
  }
}
