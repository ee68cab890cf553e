import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chooseEngine, type EngineChoice } from '../../../src/proxy/select-engine.ts';
import { compiled } from '../../support/compiled.ts';
import { needs } from '../../support/requirements.ts';

const POLICY = {
  upstream: { host: '127.0.0.1', port: 1 },
  allow: ['loopback'],
  holdMs: 0,
  connectTimeoutMs: 1,
  idleTimeoutMs: 0,
  halfCloseTimeoutMs: 0,
  maxConnections: 0,
  maxHeld: 1,
};

for (const [choice, name, why] of [
  ['auto', 'kernel', 'it can be had here'],
  ['kernel', 'kernel', 'as configured'],
  ['portable', 'portable', 'as configured'],
] as const)
  test(`${choice} is the ${name} engine where it is available`, {
    skip: needs(process.platform === 'linux' ? undefined : 'needs Linux'),
  }, async (t) => {
    const hooks = { onEnd: () => {}, onError: assert.fail, onDeath: assert.fail };
    const engine = await chooseEngine(choice)(POLICY, hooks);
    t.after(() => engine.drain(0));
    assert.deepEqual([engine.name, engine.reason], [name, why]);
  });

/** Chooses in a process whose threads take the machine for another one. */
const chooseElsewhere = async (choice: EngineChoice, platform: string, arch: string): Promise<string> => {
  const disguise = `import { isMainThread } from 'node:worker_threads';
    if (!isMainThread) for (const [name, value] of Object.entries(${JSON.stringify({ platform, arch })}))
      Object.defineProperty(process, name, { value });`;
  const url = compiled('src/proxy/select-engine.ts').href;
  const script = `import(${JSON.stringify(url)}).then(({ chooseEngine }) => {
    const hooks = { onEnd() {}, onError() {}, onDeath() {} };
    return chooseEngine('${choice}')(${JSON.stringify(POLICY)}, hooks);
  }).then(
    ({ name, reason }) => name + ': ' + reason,
    ({ message, cause }) => 'rejected: ' + message + ' | ' + cause.message,
  ).then((outcome) => { console.log(outcome); process.exit(); });`;
  const load = `data:text/javascript,${encodeURIComponent(disguise)}`;
  const args = ['--import', load, '-e', script];
  return (await promisify(execFile)(process.execPath, args, { timeout: 60_000 })).stdout.trim();
};

for (const [platform, arch, why] of [
  ['darwin', 'arm64', 'epoll and splice exist on Linux only, not on darwin'],
  ['linux', 'riscv64', 'not supported on riscv64'],
] as const) {
  test(`auto is the portable engine on ${platform} and ${arch}, and says why`, async () => {
    const outcome = await chooseElsewhere('auto', platform, arch);
    assert.equal(outcome, `portable: no kernel engine here: ${why}`);
  });

  test(`kernel is refused on ${platform} and ${arch}, with the cause`, async () => {
    const outcome = await chooseElsewhere('kernel', platform, arch);
    assert.equal(outcome, `rejected: no kernel engine here: ${why} | ${why}`);
  });
}
