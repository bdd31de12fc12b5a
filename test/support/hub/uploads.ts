import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { type Exchange, Refusal } from './exchange.ts';
import { type HubFile, hubFile, isLfs } from './files.ts';
import { Repository } from './repository.ts';
import { commitFor, type HubState, repositoryFor, requireFreshLink, requireWriter } from './state.ts';

/** `POST /api/repos/create` */
export async function create(exchange: Exchange, state: HubState): Promise<void> {
  const wanted = (await exchange.bodyJson()) as { name: string; organization: string; visibility?: string };
  const name = `${wanted.organization}/${wanted.name}`;
  requireWriter(exchange, state, name);
  if (state.repositories.has(name)) throw new Refusal(409, 'You already created this dataset repo');
  state.repositories.set(name, new Repository(name, { private: wanted.visibility === 'private' }, state));
  return exchange.json({ url: `${state.hub}/datasets/${name}`, name, id: name });
}

/** `POST /api/datasets/<name>/preupload/<revision>`: which files are to go to git-LFS */
export async function preupload(exchange: Exchange, state: HubState, name: string, revision: string): Promise<void> {
  requireWriter(exchange, state, name);
  commitFor(repositoryFor(exchange, state, name), revision);
  const { files } = (await exchange.bodyJson()) as { files: readonly { path: string; size: number; sample: string }[] };
  const modes = files.map((file) => ({
    path: file.path,
    uploadMode: isLfs(file.path, file.size, state.lfsFrom) ? 'lfs' : 'regular',
    shouldIgnore: false,
  }));
  return exchange.json({ files: modes });
}

/** `POST /datasets/<name>.git/info/lfs/objects/batch`: where objects go that are not there */
export async function batch(exchange: Exchange, state: HubState, name: string): Promise<void> {
  requireWriter(exchange, state, name);
  repositoryFor(exchange, state, name);
  const { transfers = ['basic'], objects } = (await exchange.bodyJson()) as {
    transfers?: readonly string[];
    objects: readonly { oid: string; size: number }[];
  };
  const { partSize } = state;
  const answers = objects.map(({ oid, size }) => {
    if (state.objects.has(oid)) return { oid, size };
    const link = `${state.cdn}/upload/${oid}?generation=${state.links}`;
    const verify = { href: `${state.hub}/datasets/${name}.git/info/lfs/objects/verify` };
    if (partSize === undefined || size <= partSize || !transfers.includes('multipart')) {
      return { oid, size, authenticated: true, actions: { upload: { href: link }, verify } };
    }
    const parts = Array.from({ length: Math.ceil(size / partSize) }, (_, part) => String(part + 1).padStart(5, '0'));
    const header = {
      chunk_size: String(partSize),
      ...Object.fromEntries(parts.map((part) => [part, `${link}&part=${part}`])),
    };
    const href = `${state.hub}/datasets/${name}.git/info/lfs/objects/complete?generation=${state.links}`;
    return { oid, size, authenticated: true, actions: { upload: { href, header }, verify } };
  });
  return exchange.json({ transfer: 'basic', objects: answers }, { 'content-type': 'application/vnd.git-lfs+json' });
}

/** `PUT /upload/<sha256>[&part=]` of the CDN */
export async function upload(exchange: Exchange, state: HubState, oid: string): Promise<void> {
  const { searchParams } = exchange.url;
  requireFreshLink(exchange, state);
  const part = searchParams.get('part');
  const file = path.join(state.folder, part === null ? oid : `${oid}.${part}`);
  const hash = createHash(part === null ? 'sha256' : 'md5');
  await pipeline(
    exchange.request,
    async function* (chunks) {
      for await (const chunk of chunks) {
        hash.update(chunk as Buffer);
        yield chunk;
      }
    },
    createWriteStream(file),
  );
  const digest = hash.digest('hex');
  if (part === null) await keep(state, oid, digest, file);
  exchange.empty(200, { etag: `"${digest}"` });
}

async function keep(state: HubState, oid: string, digest: string, file: string): Promise<void> {
  if (digest !== oid) {
    await rm(file);
    throw new Refusal(400, `the uploaded bytes have the SHA-256 ${digest}, not ${oid}`);
  }
  state.objects.set(oid, hubFile(pathToFileURL(file), true));
}

/** `POST .../objects/complete`: parts of an upload make up an object */
export async function complete(exchange: Exchange, state: HubState): Promise<void> {
  requireFreshLink(exchange, state);
  const { oid, parts } = (await exchange.bodyJson()) as {
    oid: string;
    parts: readonly { partNumber: number; etag: string }[];
  };
  const whole = createHash('sha256');
  const file = path.join(state.folder, oid);
  await writeFile(file, '');
  for (const { partNumber, etag } of parts) {
    const from = `${file}.${String(partNumber).padStart(5, '0')}`;
    const bytes = await readFile(from);
    const digest = createHash('md5').update(bytes).digest('hex');
    if (etag !== `"${digest}"`) throw new Refusal(400, `part ${partNumber} has the ETag "${digest}", not ${etag}`);
    whole.update(bytes);
    await writeFile(file, bytes, { flag: 'a' });
    await rm(from);
  }
  await keep(state, oid, whole.digest('hex'), file);
  return exchange.json({ success: true });
}

/** `POST .../objects/verify` */
export async function verify(exchange: Exchange, state: HubState): Promise<void> {
  const { oid, size } = (await exchange.bodyJson()) as { oid: string; size: number };
  if (state.objects.get(oid)?.size !== size) throw new Refusal(404, `there is no object ${oid} of ${size} bytes`);
  return exchange.json({ success: true });
}

type Operation =
  | { key: 'header'; value: { summary: string; parentCommit?: string } }
  | { key: 'file'; value: { path: string; content: string; encoding?: 'utf-8' | 'base64' } }
  | { key: 'lfsFile'; value: { path: string; oid: string; size?: number } }
  | { key: 'deletedFile'; value: { path: string } };

/** `POST /api/datasets/<name>/commit/<branch>` */
export async function commit(exchange: Exchange, state: HubState, name: string, branch: string): Promise<void> {
  requireWriter(exchange, state, name);
  const repository = repositoryFor(exchange, state, name);
  const before = commitFor(repository, branch);
  const files = new Map<string, HubFile>(before.files);
  let message = '';
  const operations = (await exchange.body())
    .toString()
    .split('\n')
    .map((line) => JSON.parse(line) as Operation);
  for (const { key, value } of operations) {
    if (key === 'header') {
      message = value.summary;
      if (value.parentCommit !== undefined && value.parentCommit !== before.id) {
        throw new Refusal(412, 'A commit has happened since. Please refresh and try again.');
      }
    } else if (key === 'deletedFile') files.delete(value.path);
    else if (key === 'lfsFile') {
      const object = state.objects.get(value.oid);
      if (object === undefined) throw new Refusal(400, `LFS object ${value.oid} of ${value.path} was not uploaded`);
      files.set(value.path, object);
    } else {
      const content = Buffer.from(value.content, value.encoding ?? 'utf-8');
      if (isLfs(value.path, content.length, state.lfsFrom)) throw new Refusal(400, `${value.path} belongs to git-LFS`);
      files.set(value.path, hubFile(content, false));
    }
  }
  const { id } = repository.add(branch, files, message);
  return exchange.json({
    success: true,
    commitOid: id,
    commitUrl: `${state.hub}/datasets/${name}/commit/${id}`,
    hookOutput: '',
  });
}
