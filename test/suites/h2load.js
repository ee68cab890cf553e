// nghttp2's load generator against its server.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, stop } from '../../bench/lib/children.js';
import { waitForPort } from '../../bench/lib/ports.js';
import { makeCertificate } from './certificate.js';
import { portOf } from './places.js';
import { run } from './run-program.js';

const LIMIT_MS = 5 * 60_000;
const SMALL = 1_000;
const LARGE = 1_000_000;

/** What each answer has is `bytes` long; the server sends an upload back. */
const CASES = [
  { name: 'small answers, 100 streams each on 10 connections', load: '-n 20000 -c 10 -m 100', bytes: SMALL },
  { name: 'small answers, a stream each on 100 connections', load: '-n 20000 -c 100 -m 1', bytes: SMALL },
  { name: 'large answers, 20 streams each on 5 connections', load: '-n 500 -c 5 -m 20', bytes: LARGE },
  { name: 'large answers, windows of 64 MiB', load: '-n 500 -c 5 -m 20 -w 26 -W 26', bytes: LARGE },
  { name: 'uploads that are sent back', load: '-n 200 -c 5 -m 4 -d large', bytes: LARGE },
];

export const H2LOAD_SUITE = {
  name: 'h2load',
  packages: ['nghttp2-client', 'nghttp2-server', 'openssl'],
  places: { count: 2 },
  prepare: async (folder) => {
    writeFileSync(join(folder, 'small'), randomBytes(SMALL));
    writeFileSync(join(folder, 'large'), randomBytes(LARGE));
    const { key, cert } = await makeCertificate(folder);
    return async ([plain, secure], only) => [
      ...(await runCases(only, plain, 'http', folder, ['--no-tls'], [])),
      ...(await runCases(only, secure, 'https', folder, [], [key, cert])),
    ];
  },
};

const runCases = async (only, { listen, dial }, scheme, folder, options, files) => {
  const port = portOf(listen);
  const command = ['nghttpd', '-a', '127.0.0.1', '-d', folder, '--echo-upload', ...options, port, ...files];
  const server = launch(command, { folder, listen: Number(port) });
  await waitForPort(server);
  const results = [];
  for (const { name, load, bytes } of CASES) {
    const title = `${scheme}: ${name}`;
    if (only && !only.includes(title)) continue;
    const url = `${scheme}://127.0.0.1:${portOf(dial)}/${bytes === LARGE ? 'large' : 'small'}`;
    const { code, output } = await run(['h2load', ...load.split(' '), url], {
      cwd: folder,
      limitMs: LIMIT_MS,
    });
    const outcome = code === 0 && isWhole(output, bytes) ? 'passed' : 'failed';
    results.push({ name: title, outcome, output });
  }
  await stop(server);
  return results;
};

/** All requests were answered, with all the bytes. */
const isWhole = (output, bytes) => {
  const [, total, succeeded] = /(\d+) total, .* (\d+) succeeded, 0 failed, 0 errored/.exec(output) ?? [];
  const [, data] = /\((\d+)\) data$/m.exec(output) ?? [];
  return total !== undefined && succeeded === total && Number(data) === Number(total) * bytes;
};
