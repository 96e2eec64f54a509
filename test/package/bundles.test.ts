/** Lambda has nothing beside a handler's bundle but Node.js. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { HANDLER_ENV } from '../../src/contract/environment';
import { STATUS_ENV } from '../../src/contract/github-status';
import { WEBHOOK_ENV } from '../../src/contract/webhook';

const ASSETS = path.join(__dirname, '..', '..', 'assets');
const HANDLERS = readdirSync(ASSETS).filter((name) => name !== 'steps');

const names = [HANDLER_ENV, STATUS_ENV, WEBHOOK_ENV].flatMap((variables) => Object.values<string>(variables));
const ENVIRONMENT = {
  ...Object.fromEntries(names.map((name) => [name, '1'])),
  [HANDLER_ENV.sourceProviders]: '{}',
  [STATUS_ENV.outgoingUrl]: 'https://hooks.example',
  AWS_REGION: 'eu-central-1',
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'bundles-'));
  cpSync(ASSETS, directory, { recursive: true });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.each(HANDLERS)('%s loads', (handler) => {
  const said = execFileSync(process.execPath, ['-p', `typeof require(${JSON.stringify(`./${handler}/index.js`)}).handler`], {
    cwd: directory, env: ENVIRONMENT, encoding: 'utf8', timeout: 30_000, stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(said.trim()).toBe('function');
}, 40_000);
