/**
 * Starts a script of this checkout under a Node that is new enough, with the packages of the lock file installed.
 *
 *   node bootstrap.mjs SCRIPT [ARGUMENT]...
 *
 * Plain JavaScript that any Node >= 18 runs: a machine's own Node may be too old for the project (package.json,
 * `engines`). Then a current one comes through the npm registry into `.node/`, and `npm ci` runs under it when
 * `node_modules` is missing or older than the lock file. On a machine that has all this, it only checks and hands over.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE = '24.21.0';
const FLOOR = [22, 18];
const root = path.dirname(fileURLToPath(import.meta.url));
const say = (line) => process.stderr.write(`sluice: ${line}\n`);

function newEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > FLOOR[0] || (major === FLOOR[0] && minor >= FLOOR[1]);
}

/** Runs npm itself with the given Node, so that install scripts see that Node too. */
function npm(node, args) {
  const cli = process.env.npm_execpath;
  const env = {
    ...process.env,
    PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}`,
    ONNXRUNTIME_NODE_INSTALL: 'skip',
  };
  const [command, first] = cli?.endsWith('.js') ? [node, [cli]] : ['npm', []];
  const shell = process.platform === 'win32' && command === 'npm';
  const { status, error } = spawnSync(command, [...first, ...args], { cwd: root, env, shell, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    say(`npm ${args.join(' ')} failed${error ? `: ${error.message}` : ` with exit code ${status}`}`);
    process.exit(1);
  }
}

/** Where the Node that runs this project is, whether it is there yet or not. */
function nodePath() {
  if (newEnough(process.versions.node)) return process.execPath;
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const bin = process.platform === 'win32' ? 'node.exe' : 'node';
  return path.join(root, '.node', 'node_modules', `node-${platform}-${process.arch}`, 'bin', bin);
}

function nodeIsThere(node) {
  if (node === process.execPath) return true;
  const manifest = path.join(path.dirname(path.dirname(node)), 'package.json');
  return existsSync(node) && existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === NODE;
}

function fetchNode(node) {
  const home = path.join(root, '.node');
  const name = path.basename(path.dirname(path.dirname(node)));
  say(`Node ${process.versions.node} is too old (${FLOOR.join('.')} needed); fetching Node ${NODE} into .node/`);
  writeFileSync(path.join(home, 'package.json'), '{"private":true}\n');
  npm(process.execPath, [
    'install',
    '--prefix',
    home,
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    `${name}@${NODE}`,
  ]);
}

const stamp = path.join(root, 'node_modules', '.sluice-lock');

function wantedStamp() {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  return `${lock} ${process.platform}-${process.arch}\n`;
}

function packagesAreThere() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wantedStamp();
}

function installPackages(node) {
  say('installing packages (npm ci); this happens once');
  npm(node, ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, wantedStamp());
}

/** Two starts at the same time must not install over each other; one that was ended midway must not block the next. */
function exclusively(work) {
  const lock = path.join(root, '.node', 'installing');
  mkdirSync(path.dirname(lock), { recursive: true });
  for (let said = false; ; said = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (!isAlive(lock)) rmSync(lock, { force: true });
      else {
        if (!said) say('another start is installing; waiting for it');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      }
    }
  }
  const unlock = () => rmSync(lock, { force: true });
  process.once('exit', unlock);
  try {
    work();
  } finally {
    process.off('exit', unlock);
    unlock();
  }
}

function isAlive(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    // Just made and not written yet: somebody is at it.
    if (pid === 0) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

const [script, ...rest] = process.argv.slice(2);
if (script === undefined) {
  say('usage: node bootstrap.mjs SCRIPT [ARGUMENT]...');
  process.exit(2);
}
const node = nodePath();
if (!nodeIsThere(node) || !packagesAreThere()) {
  exclusively(() => {
    if (!nodeIsThere(node)) fetchNode(node);
    if (!packagesAreThere()) installPackages(node);
  });
}
const args = [
  '--conditions=sluice-source',
  '--disable-warning=ExperimentalWarning',
  path.resolve(root, script),
  ...rest,
];
const child = spawn(node, args, {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}` },
});
// A terminal sends SIGINT to the whole group: the child decides what it means, this process only waits for it.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  say(`cannot start ${node}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
