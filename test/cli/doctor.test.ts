import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listBackends } from '../../src/model/index.ts';
import { sluice } from '../support/sluice.ts';
import { type SoftwareAdapter, swiftshader } from '../support/swiftshader.ts';

interface Finding {
  readonly part: string;
  readonly state: string;
  readonly detail: string;
}

let adapter: SoftwareAdapter;
beforeAll(async () => {
  adapter = await swiftshader();
}, 60_000);
afterAll(() => adapter.remove());

async function doctor(...flags: string[]): Promise<Map<string, Finding>> {
  const { code, stdout, stderr } = await sluice(['doctor', '--json', ...flags], { env: adapter.env });
  expect(code, stdout + stderr).toBe(0);
  const findings: Finding[] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return new Map(findings.map((finding) => [finding.part, finding]));
}

describe('sluice doctor', () => {
  it('lists every backend of the platform, and claims nothing about those it has not run', async () => {
    const findings = await doctor();
    for (const { name, bundled } of await listBackends()) {
      const found = findings.get(name === 'cpu' ? name : `onnx:${name}`);
      expect(found?.state, name).toBe(bundled ? 'untried' : 'off');
      expect(found?.detail).toContain('not tried');
    }
    expect(findings.get('webgpu')?.detail).toMatch(/subgroups|There is no GPU that WebGPU can use/);
    expect(findings.get('default model')?.state).toBe('ok');
    expect(findings.get('onnxruntime-node')?.state).toBe('ok');
  });

  it('runs each of them with --check, and tells its agreement with the CPU and its speed, or why it cannot', async () => {
    const findings = await doctor('--check');
    const speed = /[1-9][\d ]* bytes\/s with the default model/;
    expect(findings.get('cpu')).toMatchObject({ state: 'ok', detail: expect.stringMatching(speed) });
    const webgpu = findings.get('onnx:webgpu');
    expect(webgpu).toMatchObject({ state: 'ok', detail: expect.stringMatching(speed) });
    expect(webgpu?.detail).toMatch(/^within [\d.e-]+ nats of the CPU on 200 tokens/);
    if (process.platform === 'linux') {
      const software = findings.get('webgpu:software');
      expect(software).toMatchObject({ state: 'ok', detail: expect.stringMatching(speed) });
      expect(software?.detail).toMatch(/SwiftShader.*: within [\d.e-]+ nats of the CPU on 200 tokens/);
    }
    for (const { name, bundled } of await listBackends()) {
      if (bundled) continue;
      expect(findings.get(`onnx:${name}`)).toMatchObject({
        state: 'off',
        detail: expect.stringContaining('cannot be used: '),
      });
    }
  });
});

describe('what sluice doctor says of the world outside', () => {
  it('names the Hub, whose token it has and where its cache is, and never the token', async () => {
    const env = { HF_ENDPOINT: 'https://hub.example.org', HF_TOKEN: 'hf_secret', HF_HUB_CACHE: '/somewhere/hub' };
    const { stdout } = await sluice(['doctor'], { env: { ...adapter.env, ...env } });
    expect(stdout).toMatch(
      /hugging face hub +https:\/\/hub\.example\.org, token from HF_TOKEN, cache \/somewhere\/hub/,
    );
    expect(stdout).not.toContain('hf_secret');
    const offline = await sluice(['doctor'], { env: { ...adapter.env, ...env, HF_HUB_OFFLINE: '1' } });
    expect(offline.stdout).toMatch(/off +hugging face hub +HF_HUB_OFFLINE/);
  });
});
