/** The smallest useful stack: a bucket, a table, the pipeline. `npm run local` and `npm run demo` run what this synthesizes. */
import { App, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { NextjsBuildPipeline } from '../../src';

const app = new App();
const stack = new Stack(app, 'NextjsBuilds');

const artifactsBucket = new s3.Bucket(stack, 'Artifacts', {
  blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
  enforceSSL: true,
  removalPolicy: RemovalPolicy.RETAIN,
});

const deploymentsTable = new dynamodb.TableV2(stack, 'Deployments', {
  partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.STRING },
  removalPolicy: RemovalPolicy.RETAIN,
});

new NextjsBuildPipeline(stack, 'Builds', { artifactsBucket, deploymentsTable });
