import { parse, YAMLError } from 'yaml';
import { z } from 'zod';
import { SourceError } from '../../../errors.ts';

/** A configuration that the card of a dataset describes. */
export interface CardConfig {
  readonly name: string;
  /** Whether it is the one to take where none is named. */
  readonly isDefault: boolean;
  /** Folder that patterns are relative to, without a slash at its end; empty for the dataset's own. */
  readonly folder: string;
  /** Patterns of each split's files; undefined where names of files are to tell. */
  readonly splits: ReadonlyMap<string, readonly string[]> | undefined;
}

/** The block of YAML that a README begins with. */
const FRONT_MATTER = /^\s*---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)/s;
/** Cards of datasets with hundreds of configurations have some hundred KiB. */
const MOST_YAML = 4 << 20;

const name = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const patterns = z.union([z.string().transform((one) => [one]), z.array(z.string())]);
const dataFiles = z.union([
  patterns.transform((list) => [{ split: 'train', path: list }]),
  z.array(z.object({ split: name, path: patterns })),
  z.record(z.string(), patterns).transform((all) => Object.entries(all).map(([split, path]) => ({ split, path }))),
]);
const config = z.object({
  config_name: name,
  default: z.boolean().nullish(),
  data_dir: z.string().nullish(),
  data_files: dataFiles.nullish(),
});
const card = z.object({ configs: z.array(config).nullish() });

/**
 * Configurations in the YAML at the beginning of a dataset's README (`configs`, documented with the Hub as "Manual Configuration");
 * none where it says nothing of them.
 *
 * @throws SourceError `BAD_CARD`
 */
export function cardConfigs(readme: string, path: string): readonly CardConfig[] {
  const text = FRONT_MATTER.exec(readme)?.[1];
  if (text === undefined) return [];
  if (text.length > MOST_YAML) throw badCard(path, `its YAML is longer than ${MOST_YAML} characters`);
  let value: unknown;
  try {
    // Both are done in a time that grows with the square of the text's length; of two keys the last counts, as in Python.
    value = parse(text, { logLevel: 'error', prettyErrors: false, uniqueKeys: false });
  } catch (error) {
    const line = error instanceof YAMLError ? ` (line ${text.slice(0, error.pos[0]).split('\n').length + 1})` : '';
    throw badCard(path, `${error instanceof Error ? error.message : String(error)}${line}`, error);
  }
  if (value === null || value === undefined) return [];
  const parsed = card.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badCard(path, `${issue?.path.join('.')}: ${issue?.message}`);
  }
  return (parsed.data.configs ?? []).map(({ config_name, default: isDefault, data_dir, data_files }) => {
    const splits = data_files?.map(({ split, path: globs }) => [split, globs] as const);
    return {
      name: config_name,
      isDefault: isDefault === true,
      folder: (data_dir ?? '').replace(/^(\.?\/)+|\/+$/g, ''),
      splits: splits === undefined ? undefined : new Map(splits),
    };
  });
}

function badCard(path: string, what: string, cause?: unknown): SourceError {
  return new SourceError(`the card of the dataset cannot be understood: ${what}`, {
    code: 'BAD_CARD',
    path,
    hint: 'Name the files to read with files; only its owner can mend the card.',
    cause,
  });
}
