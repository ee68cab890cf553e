import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { formatConfigError } from '../../../src/config/errors.ts';
import { INVALID_CONFIGS } from '../../fixtures/invalid-configs.ts';

describe('an invalid config is refused with its exact messages', () => {
  for (const { name, config, variables, errors } of INVALID_CONFIGS)
    test(name, () => {
      const result = parseConfig(config, variables);
      assert.deepEqual(result.ok ? 'valid' : result.errors.map(formatConfigError), errors);
    });
});
