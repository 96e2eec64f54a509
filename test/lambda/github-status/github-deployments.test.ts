/** A deployment at GitHub for each of ours, where the app may. */
import { statusFunction } from './github-status-support';
import type { ForgeRequest } from '../../support/forge';

const github = statusFunction();

const states = () => github.deployments.map(({ statuses }) => statuses.map(({ state }) => state));

test('a deployment goes from queued to success, with a link to the log', async () => {
  const logsUrl = 'https://console.example/log';
  await github.tell({ version: 1 });
  await github.tell({ version: 2, status: 'building', logsUrl });
  await github.tell({ version: 3, status: 'success', logsUrl });
  expect(github.deployments).toMatchObject([{
    environment: 'Production', production_environment: true, transient_environment: false, payload: { deploymentId: 'deployment-1', projectId: 'shop' },
  }]);
  expect(states()).toEqual([['queued', 'in_progress', 'success']]);
  expect(github.deployments[0].statuses[2]).toMatchObject({ log_url: logsUrl, environment: 'Production' });
});

test.each([
  ['failed', { status: 'failed', failureMessage: `It failed. ${'x'.repeat(200)}` }, 'failure'],
  ['superseded', { status: 'superseded', supersededBy: 'deployment-2' }, 'inactive'],
  ['successful but superseded', { status: 'success', supersededBy: 'deployment-2' }, 'inactive'],
] as const)('one that is %s', async (_, detail, state) => {
  await github.tell({ version: 1, ...detail });
  expect(states()).toEqual([[state]]);
});

test.each([
  ['the default branch', { branch: 'main', defaultBranch: 'main' }, 'Production'],
  ['another branch', { branch: 'feature', defaultBranch: 'main' }, 'Preview'],
  ['a branch of a project that names no default one', { branch: 'main', defaultBranch: undefined }, 'Production'],
  ['a pull request, always', { branch: 'pull/7/head', defaultBranch: undefined }, 'Preview'],
])('the environment of %s', async (_, branches, environment) => {
  await github.tell({ version: 1, ...branches });
  expect(github.deployments).toMatchObject([{ environment, production_environment: environment === 'Production', transient_environment: environment === 'Preview' }]);
});

test.each<[string, Record<string, string>]>([
  ['has not been allowed to', { metadata: 'read', checks: 'write' }],
  ['may only read them', { metadata: 'read', checks: 'write', deployments: 'read' }],
])('an app that %s makes none, and no trouble', async (_, permissions) => {
  github.forge.permissions = permissions;
  await github.tell({ version: 1 });
  expect(github.deployments).toEqual([]);
  expect(github.checkRuns).toHaveLength(1);
  expect(github.forge.grants).toEqual([{ repositories: ['shop'], permissions: { checks: 'write' } }]);
});

test('trouble with one is none of the other\'s: only what is still to be told is told again', async () => {
  github.forge.answer = ({ path }: ForgeRequest) => (path.endsWith('/deployments') ? { status: 500 } : undefined);
  github.send({ version: 1 });
  expect(await github.call()).toEqual([30]);
  expect(github.checkRuns).toHaveLength(1);
  github.undisturbed();
  const before = github.asked.length;
  await github.drain();
  expect(github.asked.slice(before).filter((one) => one.includes('check-runs'))).toEqual([]);
  expect(states()).toEqual([['queued']]);
});

test('one whose creation was not heard of is found, among many of its commit', async () => {
  for (let index = 0; index < 35; index += 1) await github.tell({ version: 1, deploymentId: `other-${index}` });
  const lost = [true];
  github.forge.answerAfterwards = ({ method, path }) => (method === 'POST' && path.endsWith('/deployments') && lost.pop() ? { then: 'break' } : undefined);
  for (let index = 0; index < 35; index += 1) await github.tell({ version: 1, deploymentId: `later-${index}` });
  await github.tell({ version: 1 });
  expect(github.deployments).toHaveLength(71);
  expect(states().every((one) => one.length === 1)).toBe(true);
});
