// Redis' own suite against a server that is there already, with the options of its .github/workflows/external.yml.
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { launch, stop } from '../../bench/lib/children.js';
import { waitForPort } from '../../bench/lib/ports.js';
import { fetchSource } from './debian.js';
import { portOf } from './places.js';
import { run } from './run-program.js';

const LIMIT_MS = 45 * 60_000;
const ENABLED = ['protected-configs', 'debug-command', 'module-command'];
const OUTCOMES = { ok: 'passed', err: 'failed', exception: 'failed', ignore: 'skipped', skip: 'skipped' };

export const REDIS_SUITE = {
  name: 'Redis',
  packages: ['redis-server', 'redis-tools', 'tcl'],
  places: { count: 1 },
  prepare: async (folder, root) => {
    const { source } = await fetchSource('redis', root);
    for (const program of ['redis-server', 'redis-cli', 'redis-benchmark'])
      symlinkSync(`/usr/bin/${program}`, join(source, 'src', program));
    return async ([{ listen, dial }], only) => {
      const port = portOf(listen);
      const enabled = ENABLED.flatMap((name) => [`--enable-${name}`, 'yes']);
      const config = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...enabled];
      const server = launch(['redis-server', ...config], { folder, listen: Number(port) });
      await waitForPort(server);
      const units = only ? [...new Set(only.map(unitOf))].flatMap((unit) => ['--single', unit]) : [];
      const options = ['--host', '127.0.0.1', '--port', portOf(dial), '--tags', '-slow', ...units];
      const { output } = await run(['./runtest', ...options], { cwd: source, limitMs: LIMIT_MS });
      await stop(server);
      return resultsOf(stripVTControlCharacters(output));
    };
  },
};

const unitOf = (name) => name.split(': ')[0];

const resultsOf = (output) => {
  let unit = '';
  const results = [];
  for (const line of output.split('\n')) {
    const [, started] = /^Testing (\w+\/\S+)$/.exec(line) ?? [];
    const [, word, text] = /^\[(\w+)\]: (.*?)(?: \(\d+ ms\)| in tests\/\S+)?$/.exec(line) ?? [];
    if (started) unit = started;
    else if (word in OUTCOMES)
      results.push({ name: `${unit}: ${text}`, outcome: OUTCOMES[word], output: line });
    else if (results.at(-1)?.outcome === 'failed') results.at(-1).output += `\n${line}`;
  }
  return results;
};
