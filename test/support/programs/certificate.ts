import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** The path of the certificate, for example for NODE_EXTRA_CA_CERTS. */
  readonly file: string;
  readonly keyFile: string;
}

/** Makes a self-signed certificate for 127.0.0.1 and 0.0.0.0 in `folder`, by openssl. */
export const makeCertificate = (folder: string): Certificate => {
  const keyFile = join(folder, 'key.pem');
  const file = join(folder, 'cert.pem');
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=steadyport', '-addext', 'subjectAltName=IP:127.0.0.1,IP:0.0.0.0'];
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', keyFile, '-out', file], { stdio: 'pipe' });
  return { key: readFileSync(keyFile), cert: readFileSync(file), file, keyFile };
};
