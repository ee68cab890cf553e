import { makeConfigSchema } from './config-schema.js';
import { code, markKeys, table } from './markdown.js';
import { loadSource } from './sources.js';

const HEADS = ['Key', 'Value', 'Default', 'Meaning'];

/** The tables of docs/configuration.md and docs/probes.md, from the JSON Schema of the config. */
export const makeConfigTables = () => {
  const { properties } = JSON.parse(makeConfigSchema());
  const proxy = properties.proxies.items;
  const { limits, probe, ...proxyProperties } = proxy.properties;
  const { channels, ...alertProperties } = properties.alerts.properties;
  const [channel] = Object.values(channels.properties);
  return {
    'config-host': keyTable({ properties: { host: properties.host } }),
    'config-proxies': keyTable({ ...proxy, properties: proxyProperties }),
    'config-limits': limitTable(limits.properties),
    'config-monitor': keyTable(properties.monitor),
    'config-alerts': keyTable({ properties: alertProperties }),
    'config-alert-channels': keyTable(channel),
    'config-logs': keyTable(properties.logs),
    probes: probeTable(),
    'probe-keys': probeKeyTable(probe.oneOf),
  };
};

const keyTable = (schema) => {
  const rows = flatten(schema);
  const names = rows.map(({ name }) => name.split('.').at(-1));
  return table(
    HEADS,
    rows.map((row) => [
      code(row.name),
      describeValue(row),
      describeDefault(row),
      describeMeaning(row, names),
    ]),
  );
};

/** The keys of an object, those of an object in it by their path. */
const flatten = ({ properties, required = [] }, parent = '') =>
  Object.entries(properties).flatMap(([key, schema]) =>
    schema.type === 'object'
      ? flatten(schema, `${parent}${key}.`)
      : [{ name: `${parent}${key}`, isRequired: required.includes(key), ...schema }],
  );

const describeValue = ({ name, type, minimum, maximum, enum: values, anyOf, pattern }) => {
  if (values) return values.map((value) => code(JSON.stringify(value))).join(', ');
  if (anyOf) return anyOf.map(describeAlternative).join(' or ');
  if (type === 'integer') return `${name.endsWith('Ms') ? 'ms' : 'number'}, ${minimum} to ${maximum}`;
  if (type === 'boolean') return '`true` or `false`';
  if (type === 'array') return 'list of texts';
  return pattern?.includes('[0-5]') ? 'time, `"00:00"` to `"23:59"`' : 'text';
};

const describeAlternative = ({ const: value, type }) => {
  if (value !== undefined) return code(JSON.stringify(value));
  return type === 'boolean' ? '`true`, `false`' : 'text';
};

const describeDefault = ({ name, default: value, isRequired }) => {
  if (isRequired) return name.includes('.') ? 'required in it' : 'required';
  return value === undefined || value === '' ? '' : code(JSON.stringify(value).replaceAll('","', '", "'));
};

const describeMeaning = ({ description }, names) => {
  const keys = names.filter((name) => /[A-Z]/.test(name));
  return markKeys(description.replaceAll('"', '`'), keys);
};

const limitTable = (limits) =>
  table(
    ['`limits`', '`warn`', '`restart`', 'Values', 'What is measured'],
    Object.entries(limits).map(
      ([
        name,
        {
          description,
          properties: { warn, restart },
        },
      ]) => [code(name), warn.default, restart.default, `0 to ${restart.maximum}`, description],
    ),
  );

const probeTable = () => {
  const { PROBES } = loadSource('src/kinds/probes/registry.ts');
  return table(
    ['`type`', 'What is checked', 'What passes the check', 'Such as'],
    Object.entries(PROBES).map(([kind, { summary, expects, example }]) => [
      code(kind),
      summary,
      expects,
      code(JSON.stringify(example).replaceAll('":', '": ').replaceAll(',"', ', "')),
    ]),
  );
};

const probeKeyTable = (kinds) =>
  table(
    ['`type`', ...HEADS],
    kinds.flatMap((kind) => {
      const { type, ...properties } = kind.properties;
      const rows = flatten({ ...kind, properties });
      return rows.map((row) => [
        code(type.const),
        code(row.name),
        describeValue(row),
        describeDefault(row),
        describeMeaning(row, []),
      ]);
    }),
  );
