import type { Hub } from '../hub.ts';
import { HubRefusal, hubFetch } from '../hubFetch.ts';
import { refused } from '../refusals.ts';

/**
 * Makes a dataset where there is none.
 *
 * @returns whether it was made
 * @throws SourceError `NOT_AUTHORISED`, `FORBIDDEN`, and others
 */
export async function createRepository(
  hub: Hub,
  repository: string,
  visibility: 'private' | 'public',
  signal?: AbortSignal,
): Promise<boolean> {
  const [organization, name] = repository.split('/');
  try {
    await hubFetch(hub.http, signal)(`${hub.settings.endpoint}/api/repos/create`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'dataset', name, organization, visibility }),
    });
    return true;
  } catch (error) {
    if (!(error instanceof HubRefusal)) throw error;
    if (error.status === 409) return false;
    throw refused(error, hub.settings, { repository, writing: error.status === 403 });
  }
}
