import braces from 'braces';
import { PipelineError, SourceError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import { requireRepository } from '../storage/hub/location.ts';

/** Where references of a kind are kept: in archives. */
export interface ArchiveRule {
  /** What a relative reference must begin with, such as `images/`. Empty: any. */
  readonly prefix: string;
  /** Whether members are named without the prefix. Default: looked for without it, then with it. */
  readonly strip?: boolean | undefined;
  /** Folder within the archives that stands for the prefix, where it is another one. */
  readonly folder?: string | undefined;
  /** The Hub dataset (`owner/name`) whose rows it is about. Default: rows of any source. */
  readonly dataset?: string | undefined;
  /**
   * Archives (`.tar`, `.tar.gz`, `.tar.zst`, `.zip`) in which to look, in this order: `hf://datasets/owner/name[@revision]/path`, `https://`,
   * `s3://`, absolute paths, or paths relative to the base of the rows. `{1..11}` and `{a,b}` stand for several.
   */
  readonly archives: string | readonly string[];
}

/** A rule with its braces expanded. */
export interface Rule {
  readonly prefix: string;
  readonly strip: boolean | undefined;
  readonly folder: string | undefined;
  readonly dataset: string | undefined;
  readonly archives: readonly string[];
}

/** Archives that a rule may name. */
const MOST_ARCHIVES = 10_000;

/**
 * Checks rules and expands their braces.
 *
 * @throws PipelineError `BAD_RULE`
 */
export function checkedRules(rules: readonly ArchiveRule[]): readonly Rule[] {
  return rules.map(({ prefix, strip, folder, dataset, archives }, place) => {
    const bad = (what: string, hint?: string): PipelineError =>
      new PipelineError(`archive rule ${place + 1} ${what}`, { code: 'BAD_RULE', hint });
    if (/^[/\\]|^[a-z][a-z0-9+.-]*:\/\/|^\.\//i.test(prefix)) {
      throw bad(`has the prefix '${prefix}'`, 'Prefixes are the beginnings of relative paths, such as images/.');
    }
    if (strip !== undefined && folder !== undefined) {
      throw bad('has both strip and folder', 'The folder takes the place of the prefix: leave strip out.');
    }
    if (dataset !== undefined) {
      try {
        requireRepository(dataset);
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
        throw bad(`is about '${dataset}', which is no name of a dataset`, error.hint);
      }
    }
    const patterns = typeof archives === 'string' ? [archives] : archives;
    const expanded = patterns.flatMap((pattern) => {
      if (!pattern.includes('{')) return [pattern];
      try {
        return braces(pattern, { expand: true, rangeLimit: MOST_ARCHIVES });
      } catch (error) {
        throw bad(
          `has braces that cannot be expanded: '${pattern}'`,
          error instanceof Error ? error.message : undefined,
        );
      }
    });
    if (expanded.length === 0 || expanded.includes('')) throw bad('names no archive');
    if (expanded.length > MOST_ARCHIVES) throw bad(`names ${expanded.length} archives, more than ${MOST_ARCHIVES}`);
    return { prefix, strip, folder, dataset, archives: expanded };
  });
}

/** The members that a rule looks for, in this order; none where it says nothing of a path. */
export function membersFor(rule: Rule, path: string, dataset: string | undefined): readonly string[] {
  if (rule.dataset !== undefined && rule.dataset !== dataset) return [];
  if (!path.startsWith(rule.prefix)) return [];
  const rest = path.slice(rule.prefix.length).replace(/^\/+/, '');
  if (rest === '') return [];
  if (rule.folder !== undefined) return [`${rule.folder.replace(/\/*$/, '')}/${rest}`];
  if (rule.strip !== undefined) return [rule.strip ? rest : path];
  return rest === path ? [path] : [rest, path];
}

/** The part of an operator's options that says which rules it has. */
export function rulesJson(rules: readonly Rule[]): JsonValue {
  return rules.map(({ prefix, strip = null, folder = null, dataset = null, archives }) => ({
    prefix,
    strip,
    folder,
    dataset,
    archives: [...archives],
  }));
}
