import path from 'node:path';
import { PipelineError, SourceError } from '../../errors.ts';
import type { JsonValue } from '../../json.ts';
import { requireOptions } from '../../knownOptions.ts';
import { knownArchives } from '../../references/knownArchives.ts';
import { type ArchiveRule, checkedRules, type Rule, rulesJson } from '../../references/rules.ts';
import { parseHubLocation } from '../../storage/hub/location.ts';
import { schemeOf } from '../../storage/location.ts';
import { REMOTE_OPTIONS, type RemoteOptions } from '../../storage/remoteOptions.ts';

export interface AttachOptions {
  /**
   * Columns that hold files or point to them, in the order in which their files are to come. Best declared `file` or `list<file>`;
   * text and binary columns will do.
   */
  readonly columns: readonly string[];
  /** Whether the row's own document comes first. Default: true. */
  readonly text?: boolean | undefined;
  /** What relative references are relative to: a folder, `hf://datasets/owner/name[@revision]`, a URL. Default: what the source reads. */
  readonly base?: string | undefined;
  /** Where references are kept in archives. A built-in table of known datasets comes behind them. Default: none. */
  readonly archives?: readonly ArchiveRule[] | undefined;
  /**
   * What may be asked besides the Hub: hosts as `example.org`, `*.example.org` or with `:port`, and buckets as `s3://bucket`. Default: nothing.
   */
  readonly hosts?: readonly string[] | undefined;
  /** What is rejected with a file that cannot be had: that file alone, or the record with all its views. Default: `reference`. */
  readonly onMissing?: 'reference' | 'record' | undefined;
  /** Bytes of a file at most; a larger one is rejected. Default: 32 MiB. */
  readonly maxReferenceBytes?: number | undefined;
  /** Rows of a split whose files are looked for at once. Default: 4. */
  readonly concurrency?: number | undefined;
  /** Folder for what comes from URLs and out of archives. Default: `SLUICE_CACHE`, else `sluice` in the user's folder for caches. */
  readonly cache?: string | undefined;
  /** How the Hub, web servers and object stores are reached. */
  readonly remote?: RemoteOptions | undefined;
}

const OPTIONS = {
  columns: true,
  text: true,
  base: true,
  archives: { prefix: true, strip: true, folder: true, dataset: true, archives: true },
  hosts: true,
  onMissing: true,
  maxReferenceBytes: true,
  concurrency: true,
  cache: true,
  remote: REMOTE_OPTIONS,
} as const;

export interface AttachSettings {
  readonly columns: readonly string[];
  readonly text: boolean;
  readonly base: string | undefined;
  /** Those of the options, then the built-in ones. */
  readonly rules: readonly Rule[];
  /** Archives that are known before a row has been seen: which versions of them are read is part of the run's digest. */
  readonly pinned: readonly string[];
  /** How many archives may be open because of the rules. */
  readonly archives: number;
  readonly hosts: readonly string[];
  readonly onMissing: 'reference' | 'record';
  readonly maxBytes: number;
  readonly concurrency: number;
  /** What decides the output. */
  readonly json: JsonValue;
}

/** @throws PipelineError `BAD_OPTION`, `BAD_RULE` */
export function attachSettings(options: AttachOptions): AttachSettings {
  requireOptions('attach', options, OPTIONS);
  const { columns, text = true, base, archives = [], hosts = [], onMissing = 'reference' } = options;
  const { maxReferenceBytes: maxBytes = 32 << 20, concurrency = 4 } = options;
  if (columns.length === 0 || new Set(columns).size < columns.length) {
    throw bad(
      'columns',
      columns.length === 0 ? 'is empty' : 'names one twice',
      'Name each column that points to files once.',
    );
  }
  requireBase(base);
  for (const host of hosts) {
    if (/^(s3:\/\/[a-z0-9][a-z0-9.-]*|(\*\.)?[\w.-]+(:\d+)?|\[[\da-f:.]+\](:\d+)?)$/i.test(host)) continue;
    throw bad('hosts', `has '${host}'`, 'Write example.org, *.example.org, example.org:8443 or s3://bucket.');
  }
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1 || maxBytes > 1 << 30) {
    throw bad('maxReferenceBytes', `is ${maxBytes}`, 'Give a whole number of bytes, 1 GiB at most.');
  }
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) throw bad('concurrency', `is ${concurrency}`);
  const own = checkedRules(archives);
  const rules = [...own, ...checkedRules(knownArchives)];
  return {
    columns,
    text,
    base,
    rules,
    archives: rules.reduce((sum, rule) => sum + rule.archives.length, 0),
    pinned: own
      .flatMap((rule) => rule.archives)
      .filter((name) => base !== undefined || schemeOf(name) !== undefined || path.isAbsolute(name)),
    hosts,
    onMissing,
    maxBytes,
    concurrency,
    json: {
      columns: [...columns],
      text,
      base: base ?? null,
      archives: rulesJson(own),
      hosts: [...hosts],
      onMissing,
      maxReferenceBytes: maxBytes,
    },
  };
}

function requireBase(base: string | undefined): void {
  const hint = 'Give a folder, hf://datasets/owner/name[@revision], https:// or s3://bucket, or leave it out.';
  if (base === '') throw bad('base', 'is empty', hint);
  const scheme = schemeOf(base ?? '');
  if (scheme !== undefined && !['hf', 'http', 'https', 's3'].includes(scheme)) throw bad('base', `is '${base}'`, hint);
  if (base === undefined || scheme !== 'hf') return;
  try {
    parseHubLocation(base);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    throw bad('base', `is '${base}'`, error.hint ?? hint);
  }
}

function bad(option: string, what: string, hint?: string): PipelineError {
  return new PipelineError(`attach: ${option} ${what}`, { code: 'BAD_OPTION', hint });
}
