// The project's own PM2 apps, with a preload in each proxy that obeys the orders of the chaos run.
const { join } = require('node:path');
const { apps } = require('../../../ecosystem.config.js');

const orders = join(__dirname, 'preload.js');
// The project's file reduces the environment. STEADYPORT_HOME remains, and the folder of the orders is beside it.
module.exports = {
  apps: apps.map((app) => (app.name === 'proxy-monitor' ? app : { ...app, node_args: ['--import', orders] })),
};
