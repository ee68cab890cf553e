export const MONITOR_APP = 'proxy-monitor';

/** An app's name as PM2 has it in the names of its files (lib/Common.js): two that differ in "_" alone share one log. */
export const pm2FileName = (app: string): string => app.replace(/[^a-zA-Z0-9.\\-]/g, '-');
