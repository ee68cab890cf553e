// The project's own PM2 apps, each proxy with the preload that takes the orders of the chaos run.
const { join } = require('node:path');
const { apps } = require('../../ecosystem.config.js');

const orders = join(__dirname, 'preload.js');
// The project's file cuts the environment down: what is left has STEADYPORT_HOME, and the orders lie beside it.
module.exports = {
  apps: apps.map((app) => (app.name === 'proxy-monitor' ? app : { ...app, node_args: ['--import', orders] })),
};
