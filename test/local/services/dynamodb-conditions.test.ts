/** What IAM conditions can ask about a DynamoDB request. */
import { callsOf, PartitionKeys } from '../../../local/services/dynamodb/calls';

const partitionKeys = new PartitionKeys();
partitionKeys.add({
  TableName: 'projects',
  KeySchema: [{ AttributeName: 'PK', KeyType: 'HASH' }, { AttributeName: 'SK', KeyType: 'RANGE' }],
  GlobalSecondaryIndexes: [{ IndexName: 'byRepository', KeySchema: [{ AttributeName: 'repoUrl', KeyType: 'HASH' }] }],
});

const KEY = { PK: { S: 'PROJECT#shop' }, SK: { S: 'METADATA' } };

function contextOf(operation: string, input: object) {
  const [{ context }] = callsOf(`DynamoDB_20120810.${operation}`, Buffer.from(JSON.stringify(input)), { region: 'us-east-1', accountId: '000000000000', partitionKeys });
  return context;
}

test('an update names the attributes of its key, of what it sets, and of what it compares', () => {
  expect(contextOf('UpdateItem', {
    TableName: 'projects',
    Key: KEY,
    UpdateExpression: 'SET #id = if_not_exists(#id, :id), seen.at[0] = :now ADD times :one',
    ConditionExpression: 'attribute_exists(PK) AND NOT begins_with(#url, :url)',
    ExpressionAttributeNames: { '#id': 'repositoryId', '#url': 'repoUrl' },
    ExpressionAttributeValues: {},
  })).toEqual({ 'dynamodb:LeadingKeys': ['PROJECT#shop'], 'dynamodb:Attributes': ['PK', 'SK', 'repoUrl', 'repositoryId', 'seen', 'times'] });
});

test('a query is about the partition that its key condition names, of the index if it has one', () => {
  const query = { TableName: 'projects', KeyConditionExpression: '#pk = :pk AND begins_with(SK, :start)', ExpressionAttributeValues: { ':pk': { S: 'PROJECT#shop' } } };
  expect(contextOf('Query', { ...query, ExpressionAttributeNames: { '#pk': 'PK' } })).toMatchObject({ 'dynamodb:LeadingKeys': ['PROJECT#shop'] });
  expect(contextOf('Query', { ...query, IndexName: 'byRepository', ExpressionAttributeNames: { '#pk': 'repoUrl' } })).toMatchObject({ 'dynamodb:LeadingKeys': ['PROJECT#shop'] });
  expect(contextOf('Query', { ...query, IndexName: 'byRepository', ExpressionAttributeNames: { '#pk': 'PK' } })).not.toHaveProperty('dynamodb:LeadingKeys');
});

test('a batch is about all of its items, a scan about none in particular', () => {
  expect(contextOf('BatchGetItem', { RequestItems: { projects: { Keys: [KEY, { ...KEY, PK: { S: 'USER#1' } }] } } })).toMatchObject({ 'dynamodb:LeadingKeys': ['PROJECT#shop', 'USER#1'] });
  expect(contextOf('BatchWriteItem', { RequestItems: { projects: [{ PutRequest: { Item: { ...KEY, name: { S: 'Shop' } } } }, { DeleteRequest: { Key: { PK: { S: 'USER#1' } } } }] } }))
    .toEqual({ 'dynamodb:LeadingKeys': ['PROJECT#shop', 'USER#1'], 'dynamodb:Attributes': ['PK', 'SK', 'name'] });
  expect(contextOf('Scan', { TableName: 'projects' })).toEqual({});
});

test.each([
  {}, { TableName: 7, Key: 'x' }, { TableName: 'projects', Key: null, Keys: {}, ExpressionAttributeNames: null, UpdateExpression: 5 }, { RequestItems: 'x' }, { RequestItems: { projects: [null, { PutRequest: 1 }] } },
])('what no client sends is left to DynamoDB to refuse: %j', (input) => {
  expect(() => contextOf('UpdateItem', input)).not.toThrow();
});
