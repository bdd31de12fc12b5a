import { SourceError } from '../../errors.ts';
import type { HubRefusal } from './hubFetch.ts';
import type { HubSettings } from './settings.ts';

/** What was asked for when the Hub refused. */
export interface Asked {
  readonly repository: string;
  readonly revision?: string | undefined;
  readonly path?: string | undefined;
  /** Whether files are to be put there. */
  readonly writing?: boolean | undefined;
}

/**
 * The error of a refusal: what is missing, and what to do about it.
 *
 * @param near What there is instead, as a sentence.
 */
export function refused(
  refusal: HubRefusal,
  settings: HubSettings,
  { repository, revision = 'main', path, writing = false }: Asked,
  near?: string,
): SourceError {
  const { status, kind, said } = refusal;
  const { endpoint, tokenFrom } = settings;
  const page = `${endpoint}/datasets/${repository}`;
  const of = path === undefined ? `the dataset '${repository}'` : `'${path}' of the dataset '${repository}'`;
  const where = path === undefined ? repository : `${repository}@${revision}/${path}`;
  const words = said === '' ? '' : `: ${said}`;
  const error = (code: string, message: string, hint: string): SourceError =>
    new SourceError(message, { code, path: where, hint, cause: refusal });
  if (kind === 'GatedRepo') {
    const code = status === 403 ? 'FORBIDDEN' : 'NOT_AUTHORISED';
    const hint =
      tokenFrom === undefined
        ? `Accept its conditions on ${page}, and give a token of that account: ${howToGive(settings)}`
        : `Accept its conditions on ${page} with the account whose token is in ${tokenFrom}.`;
    return error(code, `${of} is gated${words}`, hint);
  }
  if (status === 401 && tokenFrom !== undefined && /credentials/i.test(said)) {
    return error('NOT_AUTHORISED', `the Hub does not know the token from ${tokenFrom}`, howToGive(settings));
  }
  if (writing && status === 403) {
    const from = tokenFrom === undefined ? '' : `The token from ${tokenFrom} may be one for reading. `;
    const hint = `${from}Make a token that may write to '${repository}' on ${endpoint}/settings/tokens.`;
    return error('FORBIDDEN', `the Hub refuses to write to ${of}${words}`, hint);
  }
  if (writing && ((status === 404 && kind !== 'RevisionNotFound') || status === 401)) {
    const hint = `Add --create to make it (create: 'public' or 'private' in a program), or check the name and whether the account whose token is in ${tokenFrom ?? 'HF_TOKEN'} may write to it.`;
    const code = status === 404 ? 'NOT_FOUND' : 'NOT_AUTHORISED';
    return error(code, `there is no dataset '${repository}' on the Hub, or it is not for this account`, hint);
  }
  if (status === 401) {
    const hint =
      tokenFrom === undefined
        ? `If it is private, give a token: ${howToGive(settings)} Else check the name.`
        : `Check the name, and whether the account whose token is in ${tokenFrom} may read it.`;
    return error('NOT_AUTHORISED', `there is no dataset '${repository}' on the Hub, or it is private`, hint);
  }
  if (status === 403) {
    const hint =
      tokenFrom === undefined ? howToGive(settings) : `The token is from ${tokenFrom}; it may be one for other things.`;
    return error('FORBIDDEN', `the Hub refuses access to ${of}${words}`, hint);
  }
  if (status === 404 && kind === 'RevisionNotFound') {
    const hint = near ?? 'Give a branch, a tag or a commit.';
    return error('NOT_FOUND', `the dataset '${repository}' has no revision '${revision}'`, hint);
  }
  if (status === 404 && kind === 'EntryNotFound') {
    const hint = near ?? 'Check the path; upper and lower case matter.';
    return error('NOT_FOUND', `the dataset '${repository}' has no file '${path}' at '${revision}'`, hint);
  }
  if (status === 404) {
    const access =
      tokenFrom === undefined
        ? `if it is private, give a token: ${howToGive(settings)}`
        : `if it is private, the account whose token is in ${tokenFrom} needs access.`;
    return error('NOT_FOUND', `there is no dataset '${repository}' on the Hub`, `Check the name; ${access}`);
  }
  return error('HTTP_STATUS', `the Hub answers ${status} for ${of}${words}`, 'See whether its page works.');
}

function howToGive({ endpoint, tokenFile }: HubSettings): string {
  return `Make one on ${endpoint}/settings/tokens and set HF_TOKEN to it, or write it into ${tokenFile}.`;
}
