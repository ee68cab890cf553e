// PM2's list of apps, made from steadyport.json (or STEADYPORT_CONFIG). CommonJS: PM2 reads it with require().
const { ecosystemApps } = require('./dist/pm2/ecosystem.js');

module.exports = { apps: ecosystemApps() };
