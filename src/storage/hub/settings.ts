import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { PipelineError } from '../../errors.ts';

/** Where the Hugging Face Hub is and who asks it; what is left out comes from the environment. */
export interface HubOptions {
  /** Default: `HF_ENDPOINT`, else the public Hub. */
  readonly endpoint?: string | undefined;
  /** Access token; false for none, whatever the environment has. Default: `HF_TOKEN`, else the file that `HF_TOKEN_PATH` names. */
  readonly token?: string | false | undefined;
  /** Folder of downloaded files. Default: `HF_HUB_CACHE`, else `hub` in `HF_HOME`. */
  readonly cacheFolder?: string | undefined;
  /** Ask nobody, and use what the cache has. Default: `HF_HUB_OFFLINE`. */
  readonly offline?: boolean | undefined;
}

export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Where the token comes from, for messages; undefined without one. */
  readonly tokenFrom: string | undefined;
  /** File that a token would be read from. */
  readonly tokenFile: string;
  /** Absolute. */
  readonly cacheFolder: string;
  readonly offline: boolean;
  /** Headers for an origin: the token goes to the endpoint's and to no other. It is in nothing that could be printed. */
  readonly headers: (origin: string) => Readonly<Record<string, string>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const PUBLIC_HUB = 'https://huggingface.co';

/**
 * Settings as Python's `huggingface_hub` resolves them from the environment: `HF_ENDPOINT`; `HF_TOKEN` (or
 * `HUGGING_FACE_HUB_TOKEN`), else the file `HF_TOKEN_PATH`, by default `token` in `HF_HOME`; `HF_HUB_CACHE` (or
 * `HUGGINGFACE_HUB_CACHE`), by default `hub` in `HF_HOME`; `HF_HOME`, by default `huggingface` in `XDG_CACHE_HOME` or
 * `~/.cache`; `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`); `HF_HUB_DISABLE_IMPLICIT_TOKEN`. A variable that is empty counts as
 * not set.
 *
 * @throws PipelineError `BAD_ENDPOINT`, `BAD_TOKEN`
 */
export function hubSettings(options: HubOptions = {}, env: Environment = process.env): HubSettings {
  const home = expanded(env['HF_HOME'] || path.join(env['XDG_CACHE_HOME'] || '~/.cache', 'huggingface'), env);
  const endpoint = checkedEndpoint(options.endpoint ?? (env['HF_ENDPOINT'] || PUBLIC_HUB));
  const tokenFile = expanded(env['HF_TOKEN_PATH'] || path.join(home, 'token'), env);
  const token = tokenOf(options.token, tokenFile, env);
  const cache = env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE'] || path.join(home, 'hub');
  const { origin } = new URL(endpoint);
  const authorised = { authorization: `Bearer ${token?.value}` };
  return {
    endpoint,
    tokenFrom: token?.from,
    tokenFile,
    cacheFolder: path.resolve(options.cacheFolder ?? expanded(cache, env)),
    offline: options.offline ?? isTrue(env['HF_HUB_OFFLINE'] || env['TRANSFORMERS_OFFLINE']),
    headers: (asked) => (token !== undefined && asked === origin ? authorised : {}),
  };
}

function checkedEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url !== undefined && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (plain && /^https?:$/.test(url.protocol)) return text.replace(/\/+$/, '');
  throw new PipelineError(`the endpoint of the Hub is no address of a server${plain ? `: '${text}'` : ''}`, {
    code: 'BAD_ENDPOINT',
    hint: `Set HF_ENDPOINT to an address such as ${PUBLIC_HUB}, without a password or query, or leave it out.`,
  });
}

interface Token {
  readonly value: string;
  readonly from: string;
}

function tokenOf(given: string | false | undefined, file: string, env: Environment): Token | undefined {
  if (given === false) return undefined;
  if (given !== undefined) return checkedToken(given, 'the option token');
  if (isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return undefined;
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = checkedToken(env[name] ?? '', name);
    if (token !== undefined) return token;
  }
  return checkedToken(fileText(file), file);
}

function checkedToken(text: string, from: string): Token | undefined {
  const value = text.replace(/[\r\n]/g, '').trim();
  if (value === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(value)) return { value, from };
  throw new PipelineError(`the access token from ${from} holds characters that no token has`, {
    code: 'BAD_TOKEN',
    hint: 'Copy it anew from the settings page of your account.',
  });
}

function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return '';
    throw new PipelineError(`the access token cannot be read: ${(error as Error).message}`, {
      code: 'BAD_TOKEN',
      path: file,
      hint: 'Mend its permissions, or give the token in HF_TOKEN.',
      cause: error,
    });
  }
}

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');

/** A path with `~` and variables (`$NAME`, `${NAME}`) put in place; variables that are not set stay as they are. */
function expanded(text: string, env: Environment): string {
  const home = text === '~' || text.startsWith('~/') ? (env['HOME'] || homedir()) + text.slice(1) : text;
  return home.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (all, bare, braced) => env[bare ?? braced] ?? all);
}
