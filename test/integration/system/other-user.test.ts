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
    const evidence = await inspectAsNobody(command);
    assert.equal(evidence.uid, 65_534);
    assert.equal(evidence.state, state);
    assert.equal(evidence.gone, 'gone');
    assert.equal(evidence.levels['openFiles'], 'unknown');
    assert.equal(evidence.usage['openFiles'], null);
    for (const level of Object.values(evidence.levels)) assert.ok(['ok', 'unknown'].includes(level), level);
  });

/** Inspects this process, as the user nobody. */
const inspectAsNobody = async ([program, ...args]: readonly [string, ...string[]]) => {
  const code = `process.setgroups([]); process.setgid(65534);
    const modules = await Promise.all(process.argv.slice(1, 4).map((url) => import(url)));
    const { createResourceSampler, readProcessState, parseConfig } = Object.assign({}, ...modules);
    process.setuid(65534);
    const { config } = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }] });
    const sampler = createResourceSampler(config.proxies[0].limits);
    const pid = Number(process.argv[4]);
    sampler.measure(pid, null);
    const [state, gone] = [pid, ${UNUSED_PID}].map(readProcessState);
    console.log(JSON.stringify({ uid: process.getuid(), state, gone, levels: sampler.levels(), usage: sampler.usage() }));`;
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

/** Above the highest pid that Linux gives (PID_MAX_LIMIT, 2^22). */
const UNUSED_PID = 4_200_000;
