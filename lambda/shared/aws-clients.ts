import { CodeBuildClient } from '@aws-sdk/client-codebuild';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

/**
 * A control-plane call answers within a second or two; without a timeout a lost connection would hold the function until it dies.
 * Three tries of 5 s and their pauses stay far below the orchestrator's 60 s.
 */
const CONTROL_PLANE = { maxAttempts: 3, requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true } };

/**
 * S3 copies up to 1 GB on its side before it answers a CopyObject, some ten seconds. Four tries, because a prefix that is new to S3 answers
 * 503 SlowDown for a while; with their pauses less than four minutes.
 */
const S3_DATA_PLANE = { maxAttempts: 4, requestHandler: { connectionTimeout: 2_000, requestTimeout: 55_000, throwOnRequestTimeout: true } };

/** For what a build can do without (its cache, say): whoever waits for it must have time left for the build itself. */
const DISPENSABLE = { maxAttempts: 2, requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true } };

export const codeBuildClient = () => new CodeBuildClient(CONTROL_PLANE);
/** One try: an SDK that tries again hides what became of the try before, and a refusal of the second says nothing of the first. */
export const startBuildClient = () => new CodeBuildClient({ ...CONTROL_PLANE, maxAttempts: 1 });
export const eventBridgeClient = () => new EventBridgeClient(CONTROL_PLANE);
export const lambdaClient = () => new LambdaClient(CONTROL_PLANE);
export const secretsManagerClient = () => new SecretsManagerClient(CONTROL_PLANE);
export const sqsClient = () => new SQSClient(CONTROL_PLANE);
export const s3Client = () => new S3Client(S3_DATA_PLANE);
/** Without checksums where S3 does not demand them: they would make presigned URLs longer, and fail for whoever does not send their headers. */
export const s3PresigningClient = () => new S3Client({ ...DISPENSABLE, responseChecksumValidation: 'WHEN_REQUIRED' });
export const codeBuildProjectsClient = () => new CodeBuildClient(DISPENSABLE);
export const dynamoDbClient = () => DynamoDBDocumentClient.from(new DynamoDBClient(CONTROL_PLANE), { marshallOptions: { removeUndefinedValues: true } });
