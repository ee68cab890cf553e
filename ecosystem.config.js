// PM2's list of apps, made from steadyport.json (or STEADYPORT_CONFIG). CommonJS: PM2 reads it with require().
const { ecosystemApps } = require('./dist/host/pm2-apps.js');

module.exports = { apps: ecosystemApps() };
