import { codeBlock } from './markdown.js';
import { loadSource } from './sources.js';

const { renderStatus } = loadSource('src/status/render.ts');
const { INCIDENT, NOW, SNAPSHOT, snapshotIn, VIEW } = loadSource('test/support/docs-samples.ts');

const PLAIN = { success: String, error: String, dim: String };
const COLUMNS = 110;

/** Examples of what people get to see, as the code renders them. */
export const makeExamples = () => ({
  'status-example': codeBlock(renderStatus(SNAPSHOT, COLUMNS, PLAIN, NOW)),
  'slack-example': codeBlock(slackExample()),
  'webhook-example': codeBlock(webhookExample(), 'json'),
});

/** The symbol with which the status marks a state. */
export const symbolOf = (state) => renderStatus(snapshotIn(state), COLUMNS, PLAIN, NOW).split('\n')[2][0];

const messageOfOutage = () => {
  const { downNotification } = loadSource('src/alerting/policy/notifications.ts');
  return { id: '5f0c6a1e-…', createdAt: NOW, notifications: [downNotification(VIEW, INCIDENT)] };
};

const webhookExample = () => {
  const { webhookBody } = loadSource('src/alerting/channels/webhook.ts');
  return JSON.stringify(webhookBody(messageOfOutage(), SNAPSHOT.monitor.http), null, 2);
};

/** A message as Slack shows it to a reader whose zone is UTC. */
const slackExample = () => {
  const { slackBody } = loadSource('src/alerting/channels/slack.ts');
  const { blocks } = slackBody(messageOfOutage());
  return blocks
    .map(({ text, elements }) => text?.text ?? elements[0].text)
    .join('\n')
    .replace(/<!date\^(\d+)\^[^|]*\|[^>]*>/g, (_, seconds) => showSlackDate(Number(seconds)))
    .replace(/\*([^*\n]+)\*/g, '$1');
};

/** https://docs.slack.dev/messaging/formatting-message-text has the forms of {date_short_pretty} and {time_secs}. */
const showSlackDate = (seconds) => {
  const date = new Date(seconds * 1_000);
  const day = date.toLocaleDateString('en-US', { dateStyle: 'medium', timeZone: 'UTC' });
  return `${day} ${date.toLocaleTimeString('en-US', { timeStyle: 'medium', timeZone: 'UTC' })}`.replaceAll(
    '\u202f',
    ' ',
  );
};
