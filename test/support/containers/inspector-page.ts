import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';

/** The MCP servers in the container, by the Inspector's names of their transports. */
export const SERVERS = {
  'streamable-http': 'http://localhost:3001/mcp',
  sse: 'http://localhost:3002/sse',
} as const;
export type Transport = keyof typeof SERVERS;

/** The Inspector's page (1.0.3). Its parts are found by roles, texts and the ids of the tools' arguments. */
export interface InspectorPage {
  /** Loads the UI from :6274 and connects through :6277. */
  load(origin: string): Promise<void>;
  /** Calls a tool. @param args the values of the fields of its form, by their ids */
  run(tool: string, args?: Readonly<Record<string, string>>): Promise<void>;
  /** Finds a text in a tool's result. */
  result(text: string): Locator;
  /** The entries of the pane "Server Notifications" for one method. */
  notifications(method: string): Locator;
  /** The requests without a whole answer, including broken streams, which the page reopens silently. */
  readonly broken: readonly string[];
}

/** @param token MCP_PROXY_AUTH_TOKEN of the Inspector */
export const inspectorPage = (page: Page, transport: Transport, token: string): InspectorPage => {
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const query = new URLSearchParams({
    transport,
    serverUrl: SERVERS[transport],
    MCP_PROXY_AUTH_TOKEN: token,
  });
  const broken: string[] = [];
  page.on('requestfailed', (request) => {
    const error = request.failure()?.errorText;
    // The page itself aborts these: it does not read the answers to its POST requests.
    if (error !== 'net::ERR_ABORTED') broken.push(`${request.method()} ${request.url()}: ${error}`);
  });
  return {
    broken,
    load: async (origin) => {
      const response = await page.goto(`${origin}/?${query}`);
      assert.equal(response?.status(), 200);
      assert.equal(await page.title(), 'MCP Inspector');
      await button('Connect').click();
      await page.getByText('Connected', { exact: true }).waitFor();
      await page.getByRole('tab', { name: 'Tools' }).click();
      await button('List Tools').click();
    },
    run: async (tool, args = {}) => {
      await page.getByText(tool, { exact: true }).first().click();
      await page.getByRole('heading', { name: tool, exact: true }).waitFor();
      for (const [name, value] of Object.entries(args)) await page.locator(`#${name}`).fill(value);
      await button('Run Tool').click();
    },
    result: (text) => page.getByText(text),
    notifications: (method) => page.getByText(new RegExp(`^\\d+\\. notifications/${method}$`)),
  };
};
