import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hubSettings } from '../../../src/storage/hub/settings.ts';

const HUB = 'https://huggingface.co';

function home(token?: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-hub-settings-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  if (token !== undefined) writeFileSync(path.join(folder, 'token'), token);
  return folder;
}

const nowhere = { HF_HOME: path.join(tmpdir(), 'sluice-no-such-folder') };
const bearer = (settings: ReturnType<typeof hubSettings>, origin = HUB) => settings.headers(origin)['authorization'];

describe('the folder of downloaded files', () => {
  it.each([
    [{ HOME: '/h' }, '/h/.cache/huggingface/hub'],
    [{ HOME: '/h', XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ HOME: '/h', XDG_CACHE_HOME: '~/x' }, '/h/x/huggingface/hub'],
    [{ HOME: '/h', XDG_CACHE_HOME: '/x', HF_HOME: '/f' }, '/f/hub'],
    [{ HOME: '/h', HF_HOME: '~/f' }, '/h/f/hub'],
    [{ HOME: '/h', DISK: '/big', HF_HOME: '$DISK/f' }, '/big/f/hub'],
    [{ HOME: '/h', DISK: '/big', HF_HUB_CACHE: ['$', '{DISK}/hub$UNSET'].join('') }, '/big/hub$UNSET'],
    [{ HF_HOME: '/f', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HOME: '/f', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' }, '/new'],
    [{ HOME: '/h', HF_HOME: '', HF_HUB_CACHE: '', XDG_CACHE_HOME: '' }, '/h/.cache/huggingface/hub'],
    [{ HOME: '/h', HF_HOME: '/a~b' }, '/a~b/hub'],
  ])('%j -> %s', (env, expected) => {
    expect(hubSettings({}, env).cacheFolder).toBe(path.resolve(expected));
    expect(hubSettings({ cacheFolder: '/given' }, env).cacheFolder).toBe(path.resolve('/given'));
  });
});

describe('the endpoint', () => {
  it('is the public Hub, HF_ENDPOINT, or what is given', () => {
    expect(hubSettings({}, nowhere).endpoint).toBe(HUB);
    expect(hubSettings({}, { ...nowhere, HF_ENDPOINT: 'http://mirror:8080//' }).endpoint).toBe('http://mirror:8080');
    expect(hubSettings({ endpoint: 'http://a' }, { HF_ENDPOINT: 'http://b' }).endpoint).toBe('http://a');
  });

  it.each(['huggingface.co', 'ftp://a', 'http://user:secret@a', 'http://a/?token=secret'])('is not %s', (endpoint) => {
    expect(() => hubSettings({ endpoint }, nowhere)).toThrow(expect.objectContaining({ code: 'BAD_ENDPOINT' }));
    expect(() => hubSettings({ endpoint }, nowhere)).not.toThrow(/secret/);
  });
});

describe('the token', () => {
  it('is that of HF_TOKEN, else of the token file', () => {
    const folder = home(' hf_file\r\n');
    expect(bearer(hubSettings({}, { HF_HOME: folder }))).toBe('Bearer hf_file');
    expect(hubSettings({}, { HF_HOME: folder }).tokenFrom).toBe(path.join(folder, 'token'));
    expect(bearer(hubSettings({}, { HF_HOME: folder, HF_TOKEN: 'hf_env\n' }))).toBe('Bearer hf_env');
    expect(bearer(hubSettings({}, { HF_HOME: folder, HUGGING_FACE_HUB_TOKEN: 'hf_old' }))).toBe('Bearer hf_old');
    expect(bearer(hubSettings({}, { HF_HOME: folder, HF_TOKEN: ' ' }))).toBe('Bearer hf_file');
    const other = path.join(home(), 'other');
    writeFileSync(other, 'hf_other');
    expect(bearer(hubSettings({}, { HF_HOME: folder, HF_TOKEN_PATH: other }))).toBe('Bearer hf_other');
    expect(bearer(hubSettings({ token: 'hf_given' }, { HF_TOKEN: 'hf_env' }))).toBe('Bearer hf_given');
  });

  it('may be none', () => {
    const folder = home('hf_file');
    expect(hubSettings({}, nowhere)).toMatchObject({ tokenFrom: undefined });
    expect(bearer(hubSettings({}, nowhere))).toBeUndefined();
    expect(bearer(hubSettings({ token: false }, { HF_TOKEN: 'hf_env' }))).toBeUndefined();
    expect(bearer(hubSettings({}, { HF_HOME: folder, HF_HUB_DISABLE_IMPLICIT_TOKEN: 'yes' }))).toBeUndefined();
  });

  it('goes to the origin of the endpoint and to no other', () => {
    const settings = hubSettings({ endpoint: 'http://hub:8080/path', token: 'hf_secret' }, nowhere);
    expect(settings.headers('http://hub:8080')).toEqual({ authorization: 'Bearer hf_secret' });
    for (const other of ['http://hub', 'https://hub:8080', 'http://cdn.hub:8080', HUB]) {
      expect(settings.headers(other)).toEqual({});
    }
  });

  it('is not printed', () => {
    const settings = hubSettings({}, { ...nowhere, HF_TOKEN: 'hf_secret' });
    expect(inspect(settings, { depth: 9, showHidden: true }) + JSON.stringify(settings)).not.toContain('secret');
    expect(() => hubSettings({ token: 'hf_secret\u00fc' }, nowhere)).toThrow(
      expect.objectContaining({ code: 'BAD_TOKEN', message: expect.not.stringContaining('secret') }),
    );
    const folder = home();
    mkdirSync(path.join(folder, 'token'));
    expect(() => hubSettings({}, { HF_HOME: folder })).toThrow(expect.objectContaining({ code: 'BAD_TOKEN' }));
  });
});

describe('offline mode', () => {
  it.each(['1', 'ON', 'yes', 'True'])('HF_HUB_OFFLINE=%s', (value) => {
    expect(hubSettings({}, { ...nowhere, HF_HUB_OFFLINE: value }).offline).toBe(true);
    expect(hubSettings({}, { ...nowhere, TRANSFORMERS_OFFLINE: value }).offline).toBe(true);
    expect(hubSettings({}, { ...nowhere, HF_HUB_OFFLINE: '0', TRANSFORMERS_OFFLINE: value }).offline).toBe(false);
    expect(hubSettings({ offline: false }, { ...nowhere, HF_HUB_OFFLINE: value }).offline).toBe(false);
  });

  it.each(['', '0', 'no', 'off', '2'])('not HF_HUB_OFFLINE=%s', (value) => {
    expect(hubSettings({}, { ...nowhere, HF_HUB_OFFLINE: value }).offline).toBe(false);
  });
});
