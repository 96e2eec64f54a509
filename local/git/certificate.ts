import { generate } from 'selfsigned';

/** Longer than any local run; macOS refuses server certificates that live longer than 825 days. */
const CERTIFICATE_DAYS = 30;
const DAY_MILLISECONDS = 86_400_000;

export interface Certificate {
  readonly cert: string;
  readonly private: string;
}

/** Of a server on 127.0.0.1, also known by these names. */
export async function generateCertificate(...names: string[]): Promise<Certificate> {
  const now = Date.now();
  return generate([{ name: 'commonName', value: 'Git server of the local run' }], {
    keyType: 'ec', // an RSA key takes up to a second
    algorithm: 'sha256',
    notBeforeDate: new Date(now - DAY_MILLISECONDS),
    notAfterDate: new Date(now + CERTIFICATE_DAYS * DAY_MILLISECONDS),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }, ...names.map((value) => ({ type: 2 as const, value }))] },
    ],
  });
}
