/** What a GithubWebhook refuses at synth, in words. */
import { App, Stack } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { GithubWebhookProps } from '../../src';
import { webhookStack } from '../support/stacks';

type Props = Partial<GithubWebhookProps> | ((stack: Stack) => Partial<GithubWebhookProps>);

const creating = (props: Props) => () => void webhookStack(props);
const synthesizing = (props: Props) => () => (webhookStack(props).stack.node.root as App).synth();
const STRING = dynamodb.AttributeType.STRING;
const KEYS = { partitionKey: { name: 'PK', type: STRING }, sortKey: { name: 'SK', type: STRING } };

describe('the projects table', () => {
  test.each([
    ['no sort key', { partitionKey: KEYS.partitionKey }, 'expected PK (HASH, S) and SK (RANGE, S), got PK (HASH, S)'],
    ['other names', { partitionKey: { name: 'pk', type: STRING }, sortKey: { name: 'sk', type: STRING } }, 'got pk (HASH, S) and sk (RANGE, S). Name the keys of your table with projectsPartitionKey and projectsSortKey.'],
    ['a number as sort key', { ...KEYS, sortKey: { name: 'SK', type: dynamodb.AttributeType.NUMBER } }, 'got PK (HASH, S) and SK (RANGE, N)'],
  ])('must not have %s', (_, props, problem) => {
    expect(creating((stack) => ({ projectsTable: new dynamodb.Table(stack, 'Table', props) }))).toThrow(problem);
    expect(creating((stack) => ({ projectsTable: new dynamodb.TableV2(stack, 'TableV2', props) }))).toThrow(problem);
  });

  test('may have other names for its keys if the webhook is told', () => {
    expect(creating((stack) => ({
      projectsTable: new dynamodb.TableV2(stack, 'Table', { partitionKey: { name: 'pk', type: STRING }, sortKey: { name: 'sk', type: STRING } }),
      projectsPartitionKey: 'pk',
      projectsSortKey: 'sk',
    }))).not.toThrow();
  });
});

describe('an index', () => {
  const withIndex = (index?: dynamodb.GlobalSecondaryIndexPropsV2) => (stack: Stack): Partial<GithubWebhookProps> => ({
    projectsTable: new dynamodb.TableV2(stack, 'Table', { ...KEYS, globalSecondaryIndexes: index && [index] }), repositoryIndexName: 'index',
  });

  test.each([
    ['that the table does not have', undefined, 'repositoryIndexName: the projects table has no global secondary index \'index\'. Add one with the partition key \'repoUrl\' of type string.'],
    ['with another partition key', { indexName: 'index', partitionKey: { name: 'url', type: STRING } }, 'the partition key of index \'index\' must be \'repoUrl\'; it is \'url\'.'],
    ['of numbers', { indexName: 'index', partitionKey: { name: 'repoUrl', type: dynamodb.AttributeType.NUMBER } }, 'the partition key of index \'index\' must be of type S, a string; it is of type N.'],
    [
      'without the projects\' attributes',
      { indexName: 'index', partitionKey: { name: 'repoUrl', type: STRING }, projectionType: dynamodb.ProjectionType.KEYS_ONLY },
      'index \'index\' must project all attributes; it projects KEYS_ONLY.',
    ],
  ])('%s is refused', (_, index, problem) => {
    expect(synthesizing(withIndex(index))).toThrow(problem);
  });

  test('may be added to the table after the webhook was made', () => {
    const { stack, webhook } = webhookStack((scope) => ({ projectsTable: new dynamodb.Table(scope, 'Table', KEYS), repositoryIndexName: 'index', repositoryIdIndexName: 'ids' }));
    const table = stack.node.findChild('Table') as dynamodb.Table;
    table.addGlobalSecondaryIndex({ indexName: 'index', partitionKey: { name: 'repoUrl', type: STRING } });
    expect(() => (webhook.node.root as App).synth()).toThrow('repositoryIdIndexName: the projects table has no global secondary index \'ids\'');
    table.addGlobalSecondaryIndex({ indexName: 'ids', partitionKey: { name: 'repositoryId', type: STRING } });
    expect(() => (webhook.node.root as App).synth()).not.toThrow();
  });

  test('of an imported table cannot be looked at', () => {
    expect(synthesizing((stack) => ({ projectsTable: dynamodb.Table.fromTableName(stack, 'Table', 'projects'), repositoryIndexName: 'index' }))).not.toThrow();
  });
});

test.each([0, -1, 1.5])('%s reserved executions are refused: none would switch the endpoint off', (reservedConcurrentExecutions) => {
  expect(creating({ reservedConcurrentExecutions })).toThrow(`reservedConcurrentExecutions must be a whole number from 1 on; got ${reservedConcurrentExecutions}.`);
});

describe('the outgoing webhook', () => {
  test.each(['http://chat.example.com/', 'chat.example.com', 'https://user@chat.example.com/', 'https://:word@chat.example.com/', ''])('cannot go to %p', (outgoingWebhookUrl) => {
    expect(creating((stack) => ({ outgoingWebhookUrl, outgoingWebhookSecret: new Secret(stack, 'Outgoing') })))
      .toThrow(`outgoingWebhookUrl must be an https URL without a user name, such as 'https://chat.example.com/hooks/builds'; got '${outgoingWebhookUrl}'.`);
  });

  test('has both a URL and a secret', () => {
    expect(creating({ outgoingWebhookUrl: 'https://chat.example.com/' })).toThrow('outgoingWebhookUrl needs outgoingWebhookSecret: the outgoing webhook is signed. Give both or none.');
    expect(creating((stack) => ({ outgoingWebhookSecret: new Secret(stack, 'Outgoing') }))).toThrow('outgoingWebhookSecret needs outgoingWebhookUrl');
  });
});

describe('the GitHub App', () => {
  const app = (options: { appId?: string; host?: string }) => (stack: Stack) => ({ githubApp: { appId: '1', privateKey: new Secret(stack, 'AppKey'), ...options } });

  test('has an id, and its host is as in URLs', () => {
    expect(creating(app({ appId: 'my app' }))).toThrow('appId must be the id or the client id of a GitHub App');
    expect(creating(app({ host: 'https://github.example.com' }))).toThrow('host must be that of the repositories\' URLs');
  });
});
