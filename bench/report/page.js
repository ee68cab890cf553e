// The report of the costs, as printed and as written to RESULTS.md: the circumstances, the figures, the notes.
import { notes } from './notes.js';
import { joined, list, warning } from './parts.js';
import { report } from './report.js';

/** @returns Markdown */
export const page = ({ quick, rounds, sizes, before, leftOut, failures, ...figures }) =>
  joined([
    '# What forwarding costs',
    warning(quick),
    before,
    list('Left out', leftOut),
    list('Failures', failures),
    report(figures),
    '## How it was measured',
    notes(rounds, sizes),
  ]);
