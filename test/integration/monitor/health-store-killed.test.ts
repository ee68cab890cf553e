import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type ProxyConfig, parseConfig } from '../../../src/config/config.ts';
import { createHealth } from '../../../src/health/state.ts';
import {
  loadHealth,
  type ProxyRecord,
  removeAllDrafts,
  saveHealth,
} from '../../../src/monitor/health-store.ts';
import { locateStateDir, makeStateDir } from '../../../src/system/state-dir.ts';
import { type Child, startChild } from '../../support/child-process.ts';
import { compiled } from '../../support/compiled.ts';
import { KilledError, startSimulatedProcess } from '../../support/simulated-process.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const IDS = Array.from({ length: 20 }, (_, at) => String(7_000 + at));
const PROXIES: readonly ProxyConfig[] = (() => {
  const parsed = parseConfig({ proxies: IDS.map((id) => ({ listen: id, upstream: `localhost:${id}` })) });
  assert.ok(parsed.ok);
  return parsed.config.proxies;
})();

/** So few that each step can be tried: the steps of one port are those of each other. */
const FEW_IDS = IDS.slice(0, 4);

/** The records of a save. Each save has the next number, the same in every port. */
const recordsOf = (number: number): ReadonlyMap<string, ProxyRecord> => {
  const past = {
    startedAt: 1,
    endedAt: 2,
    cause: 'hung',
    actions: ['force_restart'],
    alerted: true,
    hasNewProcess: true,
  } as const;
  const health = {
    ...createHealth(0),
    history: Array(20).fill(past),
    failures: { consecutive: number, sinceHealthy: number, total: number },
  };
  return new Map(FEW_IDS.map((id) => [id, { health, daemonPid: number }]));
};

/** The number of the save that is in the file. Every port must have it, and no field may be missing. */
const savedNumber = (path: string, ids = IDS): number => {
  const stateDir = locateStateDir(path);
  const { version, ports } = JSON.parse(readFileSync(stateDir.monitorStateFile, 'utf8'));
  assert.equal(version, 3);
  assert.deepEqual(Object.keys(ports), ids);
  const records = loadHealth(stateDir.monitorStateFile, PROXIES);
  const numbers = ids.map((id) => {
    assert.deepEqual(Object.keys(ports[id].health).sort(), Object.keys(createHealth(0)).sort());
    assert.equal(ports[id].health.history.length, 20);
    assert.match(readFileSync(stateDir.portFiles(id).failuresFile, 'utf8'), /^\d+\n$/);
    return records.get(id)?.daemonPid;
  });
  const [number] = numbers;
  assert.ok(number && numbers.every((saved) => saved === number), String(numbers));
  return number;
};

const drafts = (path: string): readonly string[] =>
  (readdirSync(path, { recursive: true }) as string[]).filter((name) =>
    /(json|failures|pid)\.\d+$/.test(name),
  );

test('a monitor that is killed at any step of a save leaves a whole file of records, and at most one draft', () => {
  /** Makes save 1, and then save 2, which is killed at the step. @returns the steps of save 2 */
  const saveKilledAt = (killAt: number): { readonly path: string; readonly steps: readonly string[] } => {
    const path = join(tempFolder(), 'home');
    const stateDir = makeStateDir(path);
    saveHealth(stateDir, recordsOf(1));
    const simulated = startSimulatedProcess(killAt);
    try {
      saveHealth(stateDir, recordsOf(2));
    } catch (error) {
      assert.ok(error instanceof KilledError, String(error));
    } finally {
      simulated.end();
    }
    assert.equal(simulated.isKilled(), killAt > 0);
    return { path, steps: simulated.steps };
  };
  const { steps, path: undisturbed } = saveKilledAt(0);
  assert.deepEqual([savedNumber(undisturbed, FEW_IDS), drafts(undisturbed)], [2, []]);
  const countOf = (name: string): number => steps.filter((step) => step.startsWith(name)).length;
  assert.deepEqual(
    ['create', 'write', 'renameSync'].map(countOf),
    Array(3).fill(1 + FEW_IDS.length),
    String(steps),
  );

  const savedAt = 1 + steps.findIndex((step) => step.startsWith('renameSync monitor.json'));
  for (let killAt = 1; killAt <= steps.length; killAt += 1) {
    const { path } = saveKilledAt(killAt);
    const where = `killed at step ${killAt}: ${steps[killAt - 1]}`;
    assert.equal(savedNumber(path, FEW_IDS), killAt <= savedAt ? 1 : 2, where);
    assert.ok(drafts(path).length <= 1, `${where}: ${drafts(path)}`);
    const stateDir = makeStateDir(path);
    removeAllDrafts(stateDir);
    assert.deepEqual(drafts(path), [], where);
    saveHealth(stateDir, recordsOf(3));
    assert.equal(savedNumber(path, FEW_IDS), 3, where);
  }
});

/**
 * Starts a monitor that saves all the time. The number of each save is printed when it is saved.
 * @param trap code that is run before it begins
 */
const startSaving = (t: TestContext, path: string, trap = ''): Child =>
  startChild(t, process.execPath, [
    '--input-type=module',
    '-e',
    `
    import fs, { writeSync } from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    import { createHealth } from ${module('src/health/state.ts')};
    import { makeStateDir } from ${module('src/system/state-dir.ts')};
    import { removeAllDrafts, saveHealth } from ${module('src/monitor/health-store.ts')};
    const home = makeStateDir(${JSON.stringify(path)});
    removeAllDrafts(home);
    const past = { startedAt: 1, endedAt: 2, cause: 'hung', actions: ['force_restart'] };
    const state = (number) => ({ health: { ...createHealth(0), history: Array(20).fill(past),
      failures: { consecutive: number, sinceHealthy: number, total: number } }, daemonPid: number });
    const save = (number) =>
      saveHealth(home, new Map(${JSON.stringify(IDS)}.map((id) => [id, state(number)])));
    save(1);
    writeSync(1, '1\\n');
    const die = () => process.kill(process.pid, 'SIGKILL');
    ${trap}
    syncBuiltinESMExports();
    for (let number = 2; ; number += 1) {
      save(number);
      writeSync(1, number + '\\n');
    }`,
  ]);
const module = (path: string): string => JSON.stringify(compiled(path).href);

describe('a monitor that is really killed', { concurrency: true }, () => {
  const traps: Readonly<Record<string, readonly [trap: string, number: number]>> = {
    'in the middle of a draft': [
      `const write = fs.writeFileSync;
      fs.writeFileSync = (path, text, options) => { write(path, text.slice(0, text.length / 2), options); die(); };`,
      1,
    ],
    'between two of the other files': [
      `const rename = fs.renameSync; let files = 0;
      fs.renameSync = (from, to) => { rename(from, to); files += 1; if (files === 5) die(); };`,
      2,
    ],
  };
  for (const [name, [trap, number]] of Object.entries(traps))
    test(`${name} leaves save ${number}`, async (t) => {
      const path = join(tempFolder(), 'home');
      const child = startSaving(t, path, trap);
      await once(child, 'exit');
      assert.equal(child.signalCode, 'SIGKILL');
      assert.equal(savedNumber(path), number);
      assert.ok(drafts(path).length <= 1, String(drafts(path)));
    });

  test('from outside, at any moment, leaves the last save or the next one', async (t) => {
    const path = join(tempFolder(), 'home');
    for (let kill = 0; kill < 2; kill += 1) {
      const child = startSaving(t, path);
      let output = '';
      const killAtLength = 1 + Math.floor(Math.random() * 200);
      for await (const text of child.stdout ?? []) {
        output += String(text);
        if (output.length >= killAtLength) child.kill('SIGKILL');
      }
      if (child.signalCode === null) await once(child, 'exit');
      const last = Math.max(...output.split('\n').slice(0, -1).map(Number));
      const number = savedNumber(path);
      assert.ok(number === last || number === last + 1, `reported ${last}, saved ${number}`);
      assert.ok(drafts(path).length <= 1, String(drafts(path)));
    }
  });
});
