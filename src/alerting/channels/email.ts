import { hostname } from 'node:os';
import { type EmailAddresses, emailAddressesOf } from '../../kinds/channels/email.ts';
import type { Severity } from '../../kinds/channels/severity.ts';
import type { Message, Notification } from '../policy/notification.ts';
import { sendMail } from '../smtp-client.ts';
import type { EventSender } from './channel.ts';
import {
  escapeHtml,
  escapeToFit,
  formatNotification,
  formatUtc,
  gravestSeverity,
  PLAIN,
  subjectOf,
  type TextFormat,
} from './text.ts';

/** A longer subject is cut by most readers. */
const MAX_SUBJECT = 200;

const htmlFormat: TextFormat = {
  escape: (text) => escapeHtml(text).replaceAll('"', '&quot;'),
  formatTime: formatUtc,
};

const COLOURS: Readonly<Record<Severity, string>> = {
  critical: '#d02f2f',
  warning: '#e09f1f',
  info: '#2f8f4f',
};

/** Nobody answers it (https://www.rfc-editor.org/rfc/rfc3834#section-5), and Exchange sends no note of absence. */
const HEADERS = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' };
/** Outlook reads the one (RFC 2156, 5.3.4), most others read the other. */
const HIGH_PRIORITY = { Importance: 'high', 'X-Priority': '1 (Highest)' };

/** The message as an e-mail, in the options of nodemailer's MailComposer. @param host this machine's name */
export const emailOf = (message: Message, { from, to }: EmailAddresses, host = hostname()) => {
  const { notifications, createdAt } = message;
  const footer = `${formatUtc(createdAt)}  steadyport ${message.id}`;
  const isCritical = gravestSeverity(notifications) === 'critical';
  return {
    from,
    to: [...to],
    subject: escapeToFit(subjectOf(message), MAX_SUBJECT, PLAIN),
    messageId: messageIdOf(message.id, host, from),
    date: new Date(createdAt),
    text: `${[...notifications.map(toText), footer].join('\n\n')}\n`,
    html: `<!doctype html>\n<html lang="en"><body>\n${[
      ...notifications.map(toHtml),
      `<p style="color:#777">${htmlFormat.escape(footer)}</p>`,
    ].join('\n')}\n</body></html>\n`,
    headers: { ...HEADERS, ...(isCritical ? HIGH_PRIORITY : {}) },
  };
};

/**
 * The same in every try, so that a mail store recognizes a repeated delivery (RFC 5322, 3.6.4). The ids of two machines
 * may be the same, so this machine's name is in it.
 */
const messageIdOf = (id: string, host: string, from: string): string => {
  const toAtoms = (text: string): string => text.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '');
  const domain = /@([^\s<>@]+?)>?$/.exec(from)?.[1] ?? 'localhost';
  return `<steadyport.${toAtoms(id)}.${toAtoms(host)}@${domain}>`;
};

const toText = (notification: Notification): string => {
  const { title, summary, rows } = formatNotification(notification, PLAIN);
  return [title, summary, ...rows.map(({ name, text }) => `${name}: ${text}`)].join('\n');
};

const toHtml = (notification: Notification): string => {
  const { title, summary, rows } = formatNotification(notification, htmlFormat);
  const style = `border-left:4px solid ${COLOURS[notification.severity]};padding-left:12px;margin:0 0 16px`;
  const lines = rows.map(({ name, text }) => `<br><b>${name}:</b> ${text}`);
  return `<div style="${style}"><b>${title}</b><br>${summary}${lines.join('')}</div>`;
};

export const email: EventSender = {
  delivers: 'events',
  deliver: (message, { secret, signal }) =>
    sendMail(secret, emailOf(message, emailAddressesOf(secret.revealUrl())), signal),
};
