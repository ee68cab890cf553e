import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { compiled } from '../../support/compiled.ts';
import { needs, needsRoot } from '../../support/requirements.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)', needsRoot());
const module = (path: string): string => compiled(path).href;

for (const [where, state, command] of [
  ['', 'alive', [process.execPath]],
  [
    ', where /proc hides it,',
    'unknown',
    [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount -t proc -o hidepid=2 proc /proc && exec "$0" "$@"',
      process.execPath,
    ],
  ],
] as const)
  test(`what may not be read of another user's process${where} is unknown, and no failure`, {
    skip,
  }, async () => {
    const seen = await lookAsNobody(command);
    assert.equal(seen.uid, 65_534);
    assert.equal(seen.state, state);
    assert.equal(seen.gone, 'gone');
    assert.equal(seen.levels['openFiles'], 'unknown');
    assert.equal(seen.usage['openFiles'], null);
    for (const level of Object.values(seen.levels)) assert.ok(['ok', 'unknown'].includes(level), level);
  });

/** At this process. */
const lookAsNobody = async ([program, ...args]: readonly [string, ...string[]]) => {
  const code = `process.setgroups([]); process.setgid(65534);
    const modules = await Promise.all(process.argv.slice(1, 4).map((url) => import(url)));
    const { createResourceSampler, readProcessState, parseConfig } = Object.assign({}, ...modules);
    process.setuid(65534);
    const { config } = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
    const gauge = createResourceSampler(config.proxies[0].limits);
    const pid = Number(process.argv[4]);
    gauge.measure(pid, null);
    const [state, gone] = [pid, ${PID_THAT_IS_NONE}].map(readProcessState);
    console.log(JSON.stringify({ uid: process.getuid(), state, gone, levels: gauge.levels(), usage: gauge.usage() }));`;
  const modules = [
    module('src/system/proc/process-state.ts'),
    module('src/monitor/checks/resources.ts'),
    module('src/config/config.ts'),
  ];
  const { stdout } = await promisify(execFile)(program, [
    ...args,
    ...['--input-type=module', '-e', code, ...modules, String(process.pid)],
  ]);
  return JSON.parse(stdout) as {
    readonly uid: number;
    readonly state: string;
    readonly gone: string;
    readonly levels: Record<string, string>;
    readonly usage: Record<string, unknown>;
  };
};

/** Above the most that Linux gives (PID_MAX_LIMIT, 2^22). */
const PID_THAT_IS_NONE = 4_200_000;
