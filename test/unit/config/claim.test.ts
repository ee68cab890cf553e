import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ClaimFacts, decideClaim, type Holder } from '../../../src/config/project/claim.ts';
import type { ProjectRecord } from '../../../src/config/project/record.ts';

const COMMANDS = { start: 'npm start', takeOver: 'npm start -- --take-over', stop: 'npm stop' };

const RECORD: ProjectRecord = {
  name: 'work',
  configPath: '/releases/1/steadyport.json',
  namedPath: '/current/steadyport.json',
  pm2Home: '/home/u/.pm2',
  http: null,
};

/** A project that runs by the config of its record. */
const RUNNING: ClaimFacts = {
  project: 'work',
  home: '/home/u/.steadyport',
  configPath: RECORD.configPath,
  namedPath: RECORD.namedPath,
  pm2Home: RECORD.pm2Home,
  record: RECORD,
  isRecordedConfigThere: true,
  isRunning: true,
  appsElsewhere: [],
  holders: [],
};
const OTHER = { configPath: '/b/steadyport.json', namedPath: '/b/steadyport.json' };
const ELSEWHERE = { pm2Home: '/other/.pm2', appsElsewhere: ['tcp-proxy-6274'] };

const decide = (facts: Partial<ClaimFacts>, takeOver = false) =>
  decideClaim({ ...RUNNING, ...facts }, takeOver, COMMANDS);

describe('a start has its project', () => {
  const table: readonly [when: string, facts: Partial<ClaimFacts>][] = [
    ['the first time', { record: undefined, isRecordedConfigThere: false, isRunning: false }],
    ['by the same config', {}],
    ['by the same config with another name', { namedPath: '/link/steadyport.json' }],
    ['when its link has a new target', { configPath: '/releases/2/steadyport.json' }],
    ['when the other config is gone', { ...OTHER, isRecordedConfigThere: false }],
    ['when nothing of it runs', { ...OTHER, isRunning: false }],
    ['when the other PM2 runs nothing of it', { pm2Home: '/other/.pm2' }],
  ];
  for (const [when, facts] of table) test(when, () => assert.deepEqual(decide(facts), { kind: 'granted' }));

  test('which another config has, when it is to take over', () =>
    assert.deepEqual(decide(OTHER, true), { kind: 'granted' }));
  test('which another PM2 has, when it is to take over: what runs there is moved', () =>
    assert.deepEqual(decide({ ...OTHER, ...ELSEWHERE }, true), { kind: 'moves' }));
});

const PLAY = {
  name: 'play',
  home: '/home/u/.steadyport',
  configPath: '/p/a b/steadyport.json',
  isConfigThere: true,
};

describe('a start is refused', () => {
  const holder = (change: Partial<Holder>): Partial<ClaimFacts> => ({
    holders: [
      {
        app: 'tcp-proxy-6274',
        place: 'port 6274',
        by: 'name',
        owner: PLAY,
        ...change,
      },
    ],
  });
  const table: readonly [when: string, facts: Partial<ClaimFacts>, texts: readonly string[]][] = [
    [
      'while the project runs by another config',
      OTHER,
      [RECORD.configPath, OTHER.configPath, COMMANDS.takeOver, '"project" in it, or STEADYPORT_PROJECT'],
    ],
    [
      'while another PM2 runs the project',
      ELSEWHERE,
      [
        RECORD.pm2Home,
        ELSEWHERE.pm2Home,
        'PM2_HOME=/home/u/.pm2 npm start;',
        'PM2_HOME=/home/u/.pm2 npm stop;',
        COMMANDS.takeOver,
      ],
    ],
    [
      'for a port that another project has in the same PM2',
      holder({}),
      [
        'port 6274: the project play, with the config /p/a b/steadyport.json, has it already',
        "STEADYPORT_HOME=/home/u/.steadyport STEADYPORT_PROJECT=play STEADYPORT_CONFIG='/p/a b/steadyport.json' npm stop",
      ],
    ],
    [
      'for an address that another project serves',
      holder({ by: 'address' }),
      ['port 6274: the project play', 'serves it already'],
    ],
    [
      "for a name of an app that is not steadyport's",
      holder({ owner: null }),
      ['npx pm2 delete tcp-proxy-6274'],
    ],
    [
      'for all reasons at once',
      { ...OTHER, ...ELSEWHERE, ...holder({}) },
      [OTHER.configPath, '/other', 'play'],
    ],
  ];
  for (const [when, facts, texts] of table)
    test(when, () => {
      const decision = decide(facts);
      assert.ok(decision.kind === 'refused');
      for (const text of [...texts, 'nothing was touched'])
        assert.ok(decision.reason.includes(text), `${text} in: ${decision.reason}`);
    });

  const places = ['port 6274', 'port 6277', 'socket app.sock'];
  const byFormerName = (change: Partial<typeof PLAY>): Partial<ClaimFacts> => ({
    holders: places.map((place) => ({ app: place, place, by: 'name', owner: { ...PLAY, ...change } })),
  });
  const formerNames: readonly [when: string, facts: Partial<ClaimFacts>, texts: readonly string[]][] = [
    [
      'another name in the same file',
      byFormerName({ configPath: RECORD.configPath }),
      [
        'this config, /releases/1/steadyport.json, runs as the project play, and not as work; it has port 6274, port 6277, socket app.sock; ',
        'to go on as it: "project": "play" in the config, or STEADYPORT_PROJECT=play; ',
        'to run as work, stop it first: STEADYPORT_HOME=/home/u/.steadyport STEADYPORT_PROJECT=play STEADYPORT_CONFIG=/releases/1/steadyport.json npm stop',
      ],
    ],
    [
      'another folder',
      byFormerName({ isConfigThere: false }),
      [
        'the project play runs by a config that is gone, /p/a b/steadyport.json, which may be this one before a move; ',
        '"project": "play" in the config',
        "STEADYPORT_CONFIG='/p/a b/steadyport.json' npm stop",
      ],
    ],
    [
      'another name in another home',
      byFormerName({ configPath: RECORD.configPath, home: '/h' }),
      [
        'to go on as it: STEADYPORT_HOME=/h and "project": "play" in the config',
        'STEADYPORT_HOME=/h STEADYPORT_PROJECT=play',
      ],
    ],
  ];
  for (const [when, facts, texts] of formerNames)
    test(`once for all ports that this config has by ${when}`, () => {
      const decision = decide(facts);
      assert.ok(decision.kind === 'refused');
      for (const text of texts) assert.ok(decision.reason.includes(text), `${text} in: ${decision.reason}`);
      assert.equal(decision.reason.split('\n').length, 2, decision.reason);
    });

  test('for a port of another project also when it is to take over', () =>
    assert.equal(decide(holder({}), true).kind, 'refused'));
});
