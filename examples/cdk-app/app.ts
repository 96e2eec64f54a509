/** The smallest useful stack: a bucket, a table, the pipeline. `npm run local` and `npm run demo` run what this synthesizes. */
import { App, CfnResource, RemovalPolicy, Stack } from 'aws-cdk-lib';
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

// What cdk-nag says about the bucket is its owner's to decide. About the pipeline it has nothing to say: that brings its own acknowledgements.
(artifactsBucket.node.defaultChild as CfnResource).addMetadata('cdk_nag', {
  rules_to_suppress: [
    ...['AwsSolutions-S1', 'NIST.800.53.R5-S3BucketLoggingEnabled'].map((id) => ({ id, reason: 'An example has no other bucket for access logs.' })),
    ...['NIST.800.53.R5-S3BucketVersioningEnabled', 'NIST.800.53.R5-S3BucketReplicationEnabled'].map((id) => ({
      id, reason: 'Artifacts lie below their commit, and can be built again from it.',
    })),
    { id: 'NIST.800.53.R5-S3DefaultEncryptionKMS', reason: 'S3 encrypts the artifacts of an example with keys of its own.' },
  ],
});

new NextjsBuildPipeline(stack, 'Builds', { artifactsBucket, deploymentsTable });
