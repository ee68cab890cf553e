import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CloseReason, connectErrorReason } from '../../../src/lib/close-reason.ts';

describe("a failed connect has the reason that the system's error code stands for", () => {
  const table: Readonly<Record<string, CloseReason>> = {
    ECONNREFUSED: 'upstream_refused',
    ECONNRESET: 'upstream_reset',
    EPIPE: 'upstream_reset',
    ETIMEDOUT: 'upstream_timeout',
    ENOTFOUND: 'upstream_not_found',
    EAI_AGAIN: 'upstream_not_found',
    EHOSTUNREACH: 'upstream_unreachable',
    ENETUNREACH: 'upstream_unreachable',
    ELOOP: 'loop',
  };
  for (const [code, reason] of Object.entries(table))
    test(`${code} → ${reason}`, () => assert.equal(connectErrorReason(code), reason));
});
