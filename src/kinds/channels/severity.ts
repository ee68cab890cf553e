/** How grave an alert is, the gravest first. */
export const SEVERITIES = ['critical', 'warning', 'info'] as const;

export type Severity = (typeof SEVERITIES)[number];

/** True when `severity` is as grave as `min`, or graver. */
export const isAtLeast = (severity: Severity, min: Severity): boolean =>
  SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(min);
