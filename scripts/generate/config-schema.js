import { toJsonSchema } from '@valibot/to-json-schema';
import { loadSource } from './sources.js';

/** The JSON Schema of steadyport.json, which editors read. It describes what a user writes, not what the parser makes of it. */
export const makeConfigSchema = () => {
  const { configSchema } = loadSource('src/config/schema.ts');
  const { $schema, ...schema } = toJsonSchema(configSchema, { typeMode: 'input', errorMode: 'ignore' });
  return `${JSON.stringify({ $schema, title: 'steadyport.json', ...schema }, null, 2)}\n`;
};
