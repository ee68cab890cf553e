import { join } from 'node:path';
import { runTool } from '../../bench/lib/children.js';

/** Makes a key, and a certificate for localhost by itself. @returns their files */
export const makeCertificate = async (folder) => {
  const key = join(folder, 'server.key');
  const cert = join(folder, 'server.crt');
  const request = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-days', '2'];
  await runTool(['openssl', 'req', ...request, '-keyout', key, '-out', cert]);
  return { key, cert };
};
