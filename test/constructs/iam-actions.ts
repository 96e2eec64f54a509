/** Actions that somebody who has taken over a role would try, beside those that the roles have. */
const BY_SERVICE: Readonly<Record<string, readonly string[]>> = {
  s3: [
    'GetObject', 'GetObjectVersion', 'GetObjectAcl', 'GetObjectTagging', 'GetObjectAttributes', 'PutObject', 'PutObjectAcl', 'PutObjectTagging', 'PutObjectRetention',
    'DeleteObject', 'DeleteObjectVersion', 'AbortMultipartUpload', 'ListMultipartUploadParts', 'RestoreObject', 'ReplicateObject', 'BypassGovernanceRetention',
    'ListBucket', 'ListBucketVersions', 'ListBucketMultipartUploads', 'GetBucketLocation', 'GetBucketPolicy', 'PutBucketPolicy', 'DeleteBucketPolicy', 'PutBucketAcl',
    'PutLifecycleConfiguration', 'PutBucketNotification', 'PutBucketCORS', 'PutBucketWebsite', 'PutReplicationConfiguration', 'PutEncryptionConfiguration', 'DeleteBucket',
  ],
  dynamodb: [
    'GetItem', 'BatchGetItem', 'Query', 'Scan', 'PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem', 'ConditionCheckItem', 'PartiQLSelect', 'PartiQLUpdate',
    'DescribeTable', 'UpdateTable', 'DeleteTable', 'ExportTableToPointInTime', 'PutResourcePolicy', 'UpdateTimeToLive',
  ],
  sqs: [
    'SendMessage', 'ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes', 'GetQueueUrl', 'SetQueueAttributes', 'AddPermission', 'RemovePermission',
    'PurgeQueue', 'DeleteQueue', 'StartMessageMoveTask', 'ListMessageMoveTasks', 'ListDeadLetterSourceQueues',
  ],
  codebuild: [
    'StartBuild', 'StopBuild', 'RetryBuild', 'StartBuildBatch', 'BatchGetBuilds', 'BatchGetProjects', 'ListBuildsForProject', 'BatchDeleteBuilds', 'UpdateProject', 'DeleteProject',
    'UpdateProjectVisibility', 'InvalidateProjectCache', 'CreateWebhook', 'StartSandbox', 'StartCommandExecution',
  ],
  events: ['PutEvents', 'PutRule', 'PutTargets', 'RemoveTargets', 'DeleteRule', 'DisableRule'],
  lambda: ['InvokeFunction', 'GetFunction', 'UpdateFunctionCode', 'UpdateFunctionConfiguration', 'AddPermission', 'DeleteFunction', 'InvokeFunctionUrl'],
  logs: ['CreateLogGroup', 'CreateLogStream', 'PutLogEvents', 'GetLogEvents', 'FilterLogEvents', 'DescribeLogStreams', 'DeleteLogStream', 'DeleteLogGroup', 'PutRetentionPolicy', 'PutSubscriptionFilter'],
  kms: [
    'Decrypt', 'Encrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'GenerateDataKeyPair', 'CreateGrant', 'DescribeKey', 'PutKeyPolicy',
    'ScheduleKeyDeletion', 'DisableKey', 'Sign',
  ],
  iam: ['PassRole', 'PutRolePolicy', 'AttachRolePolicy', 'UpdateAssumeRolePolicy', 'CreateAccessKey', 'DeleteRolePermissionsBoundary'],
  sts: ['AssumeRole'],
  secretsmanager: ['GetSecretValue', 'PutSecretValue', 'DescribeSecret'],
  ssm: ['GetParameter', 'GetParameters', 'GetParametersByPath', 'PutParameter', 'StartSession'],
};

export const ACTIONS: readonly string[] = Object.entries(BY_SERVICE).flatMap(([service, actions]) => actions.map((action) => `${service}:${action}`));

/** The service in the ARNs that an action is on: roles are IAM's, whoever assumes them. */
export function serviceOf(action: string): string {
  const [service] = action.split(':');
  return service === 'sts' ? 'iam' : service;
}
