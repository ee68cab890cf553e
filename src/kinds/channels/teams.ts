import { type ChannelKind, parseHttpUrl } from './channel-kind.ts';

/**
 * The hosts of the connectors that Microsoft has retired for workflows:
 * https://devblogs.microsoft.com/microsoft365dev/retirement-of-office-365-connectors-within-microsoft-teams/
 */
const RETIRED_HOST = /(^|\.)(webhook\.office\.com|outlook\.office(365)?\.com)$/;

/** https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook */
export const teams = {
  name: 'teams',
  variable: 'TEAMS_WEBHOOK_URL',
  example: 'https://….environment.api.powerplatform.com/…/triggers/manual/paths/invoke?…&sig=…',
  description: 'an Adaptive Card for a workflow that posts it, coloured by severity, which mentions nobody',
  check: (value) => {
    const url = parseHttpUrl(value);
    if (url === null) return 'an http or https URL';
    return RETIRED_HOST.test(url.hostname)
      ? 'the URL of a workflow, since Microsoft has retired the connectors of webhook.office.com: in Teams, add a workflow "When a Teams webhook request is received" to the channel'
      : null;
  },
} as const satisfies ChannelKind;
