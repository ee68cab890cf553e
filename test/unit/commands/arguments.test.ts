import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exitCodesOf, findCommand, parseArguments } from '../../../src/commands/arguments.ts';
import { COMMANDS } from '../../../src/commands/table.ts';

const parse = (name: string, ...argv: readonly string[]) => parseArguments(name, findCommand(name), argv);

test('options, flags and arguments are told apart, and a number stays a text', () => {
  const args = parse('logs', '6274', '-n', '050', '--follow');
  assert.deepEqual([args._, args['lines'], args['follow'], args['help']], [['6274'], '050', true, false]);
});

describe('what a command does not have is refused', () => {
  const table: readonly [argv: readonly [string, ...string[]], message: string][] = [
    [['stauts'], 'unknown command "stauts"; did you mean "status"?'],
    [['status', '--jsn'], 'unknown option "--jsn" of "status"; did you mean "--json"?'],
    [['stop', '--force=1'], 'unknown option "--force" of "stop"; there are none here'],
    [['stop', 'now'], 'unexpected argument "now"; expected: stop; for one app: npx pm2 stop tcp-proxy-PORT'],
    [['logs', 'a', 'b'], 'unexpected argument "b"; expected: logs [NAME] [-n LINES] [-f]'],
  ];
  for (const [argv, message] of table)
    test(argv.join(' '), () => {
      const [name, ...rest] = argv;
      assert.throws(() => parse(name, ...rest), { name: 'UsageError', message });
    });
});

test('with --help any number of arguments will do', () => {
  assert.equal(parse('stop', 'now', '-h')['help'], true);
});

describe('every command says what its exit codes mean, lowest first', () => {
  for (const [name, command] of Object.entries(COMMANDS))
    test(name, () => {
      const codes = exitCodesOf(command).map(([code]) => Number(code));
      assert.deepEqual(
        codes,
        codes.toSorted((a, b) => a - b),
      );
      assert.ok(codes.includes(0) && codes.includes(2), `${codes}`);
    });
  test('of status there are four', () => {
    assert.deepEqual(
      exitCodesOf(findCommand('status')).map(([code]) => code),
      ['0', '1', '2', '3'],
    );
  });
});
