// An attacker's own client: signs with whatever keys he has found, and sends keys and headers that no SDK would send.
import { createHash, createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';

const REGION = 'us-east-1';
const sha256 = (content) => createHash('sha256').update(content).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

export const keyPath = (bucket, key) => `/${bucket}/${key.split('/').map(encode).join('/')}`;

function signed({ service, method, path, query, headers, body }, host, { accessKeyId, secretAccessKey, sessionToken }) {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = [now.slice(0, 8), REGION, service, 'aws4_request'];
  const all = {
    ...headers, host, 'x-amz-content-sha256': sha256(body), 'x-amz-date': now, ...(sessionToken ? { 'x-amz-security-token': sessionToken } : {}),
  };
  const names = Object.keys(all).sort();
  const canonicalPath = service === 's3' ? path : path.split('/').map(encode).join('/');
  const canonical = [method, canonicalPath, query, ...names.map((name) => `${name}:${all[name]}`), '', names.join(';'), all['x-amz-content-sha256']].join('\n');
  const key = scope.reduce(hmac, `AWS4${secretAccessKey}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', now, scope.join('/'), sha256(canonical)].join('\n')).toString('hex');
  return { ...all, authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join('/')}, SignedHeaders=${names.join(';')}, Signature=${signature}` };
}

/** What came back, as `403 AccessDenied`; `closed` where nobody listens. Without credentials the request is anonymous. */
export async function call({ endpoint, service, method = 'POST', path = '/', query = '', headers = {}, body = '' }, credentials) {
  const { hostname, port, host } = new URL(endpoint);
  const sent = { ...(credentials ? signed({ service, method, path, query, headers, body }, host, credentials) : { ...headers, host }), 'content-length': Buffer.byteLength(body) };
  return send({ hostname, port, method, path: query ? `${path}?${query}` : path, headers: sent }, body);
}

/** A URL as it is, or as somebody has changed it. */
export async function callUrl(url, { method = 'GET', headers = {}, body = '' } = {}) {
  const { hostname, port, host, pathname, search } = new URL(url);
  return send({ hostname, port, method, path: pathname + search, headers: { host, ...headers, 'content-length': Buffer.byteLength(body) } }, body);
}

function send(options, body) {
  return new Promise((resolve) => {
    const request = httpRequest({ ...options, timeout: 20_000 }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const [, code = ''] = /<Code>(\w+)<\/Code>|"__type":"(?:[^"]*#)?(\w+)"/.exec(text)?.filter(Boolean) ?? [];
      resolve({ answer: `${response.statusCode} ${response.headers['x-amzn-errortype'] ?? code}`.trim(), text });
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve({ answer: 'closed', text: '' }));
    request.end(body);
  });
}
