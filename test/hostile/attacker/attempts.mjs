// What an attacker asks of AWS who knows every name: of buckets, tables, queues, functions, secrets, and of a neighbour's objects.
import { keyPath } from './aws.mjs';

const json = (service, target, version, input) => ({
  service, headers: { 'content-type': `application/x-amz-json-${version}`, 'x-amz-target': target }, body: JSON.stringify(input),
});

/** By name. `own`: the prefix that this build may write to. */
export function attempts({ bucket, endpoints, functions, neighbour, project, queues, secret, tables }, own) {
  const s3 = (method, path, more = {}) => ({ service: 's3', method, path, ...more });
  const object = (method, key, more) => s3(method, keyPath(bucket, key), more);
  const forged = { deploymentId: { S: neighbour.deploymentId }, status: { S: 'success' }, projectId: { S: neighbour.projectId } };
  const event = (source, detailType, detail) => json('events', 'AWSEvents.PutEvents', '1.1', { Entries: [{ Source: source, DetailType: detailType, Detail: JSON.stringify(detail) }] });
  const success = { 'build-id': neighbour.buildArn, 'build-status': 'SUCCEEDED', 'project-name': project };
  const all = {
    's3 ListBuckets': s3('GET', '/'),
    's3 ListObjects': s3('GET', `/${bucket}`, { query: 'list-type=2' }),
    's3 ListObjects of its own prefix': s3('GET', `/${bucket}`, { query: `list-type=2&prefix=${encodeURIComponent(own)}` }),
    's3 ListMultipartUploads': s3('GET', `/${bucket}`, { query: 'uploads=' }),
    's3 CreateBucket': s3('PUT', '/attackers-bucket'),
    ...Object.fromEntries(Object.keys(neighbour.objects).flatMap((key) => [
      [`s3 GetObject ${key}`, object('GET', key)],
      [`s3 PutObject ${key}`, object('PUT', key, { body: 'by the attacker' })],
      [`s3 DeleteObject ${key}`, object('DELETE', key)],
      [`s3 CopyObject ${key}`, object('PUT', `${own}static/stolen`, { headers: { 'x-amz-copy-source': `${bucket}/${encodeURIComponent(key)}` } })],
    ])),
    's3 PutObject beside its own prefix': object('PUT', own.replace(/\/$/, '-and-more/static/x'), { body: 'x' }),
    's3 PutObject of a new commit': object('PUT', `artifacts/${neighbour.projectId}/${'e'.repeat(40)}/lambda.zip`, { body: 'x' }),
    's3 PutObjectAcl': object('PUT', `${own}static/public`, { headers: { 'x-amz-acl': 'public-read' }, body: 'x' }),
    's3 PutObjectTagging': object('PUT', `${own}static/tagged`, { headers: { 'x-amz-tagging': 'keep=1' }, body: 'x' }),
    's3 DeleteObject of its own': object('DELETE', `${own}static/x`),
    's3 GetObject of its own': object('GET', `${own}static/x`),
    ...Object.fromEntries(tables.flatMap((table) => [
      [`dynamodb Scan ${table}`, json('dynamodb', 'DynamoDB_20120810.Scan', '1.0', { TableName: table })],
      [`dynamodb PutItem ${table}`, json('dynamodb', 'DynamoDB_20120810.PutItem', '1.0', { TableName: table, Item: { ...forged, kind: { S: 'OPEN' }, id: { S: 'x' } } })],
      [`dynamodb DeleteItem ${table}`, json('dynamodb', 'DynamoDB_20120810.DeleteItem', '1.0', { TableName: table, Key: { deploymentId: forged.deploymentId } })],
      [`dynamodb DeleteTable ${table}`, json('dynamodb', 'DynamoDB_20120810.DeleteTable', '1.0', { TableName: table })],
    ])),
    'dynamodb ListTables': json('dynamodb', 'DynamoDB_20120810.ListTables', '1.0', {}),
    ...Object.fromEntries(queues.flatMap((queue) => [
      [`sqs SendMessage ${queue}`, json('sqs', 'AmazonSQS.SendMessage', '1.0', { QueueUrl: queue, MessageBody: '{}' })],
      [`sqs ReceiveMessage ${queue}`, json('sqs', 'AmazonSQS.ReceiveMessage', '1.0', { QueueUrl: queue })],
      [`sqs PurgeQueue ${queue}`, json('sqs', 'AmazonSQS.PurgeQueue', '1.0', { QueueUrl: queue })],
    ])),
    'codebuild StartBuild': json('codebuild', 'CodeBuild_20161006.StartBuild', '1.1', { projectName: project, environmentVariablesOverride: [{ name: 'DEPLOYMENT_ID', value: neighbour.deploymentId }] }),
    'codebuild BatchGetBuilds': json('codebuild', 'CodeBuild_20161006.BatchGetBuilds', '1.1', { ids: [neighbour.buildArn.split(':build/')[1]] }),
    'codebuild ListBuilds': json('codebuild', 'CodeBuild_20161006.ListBuilds', '1.1', {}),
    'codebuild StopBuild': json('codebuild', 'CodeBuild_20161006.StopBuild', '1.1', { id: neighbour.buildArn.split(':build/')[1] }),
    ...Object.fromEntries(functions.map((name) => [`lambda Invoke ${name}`, {
      service: 'lambda', path: `/2015-03-31/functions/${name}/invocations`, body: JSON.stringify({ detail: success }),
    }])),
    'events PutEvents as CodeBuild': event('aws.codebuild', 'CodeBuild Build State Change', success),
    'events PutEvents as the pipeline': event('cdk-nextjs-build-pipeline', 'Deployment Status Changed', { deploymentId: neighbour.deploymentId, status: 'success' }),
    'secretsmanager GetSecretValue': json('secretsmanager', 'secretsmanager.GetSecretValue', '1.1', { SecretId: secret }),
    'sts GetCallerIdentity': { service: 'sts', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'Action=GetCallerIdentity&Version=2011-06-15' },
    'iam CreateUser': { service: 'iam', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'Action=CreateUser&UserName=x&Version=2010-05-08' },
  };
  return Object.entries(all).map(([name, request]) => ({ name, request: { ...request, endpoint: endpoints[request.service] ?? endpoints.other } }));
}
