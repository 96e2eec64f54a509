import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { STATE_TABLE } from './contract/state-table';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';

/** The pipeline's own table: what a deployment's record does not say, but the pipeline must find quickly. */
export function createStateTable(scope: Construct, props: NextjsBuildPipelineProps): dynamodb.Table {
  return new dynamodb.Table(scope, 'StateTable', {
    partitionKey: { name: STATE_TABLE.partitionKey, type: dynamodb.AttributeType.STRING },
    sortKey: { name: STATE_TABLE.sortKey, type: dynamodb.AttributeType.STRING },
    timeToLiveAttribute: STATE_TABLE.timeToLive,
    // Used in bursts, and mostly not at all.
    billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
    // Without a key of the user's, DynamoDB encrypts with a key that AWS owns.
    encryptionKey: props.encryptionKey,
    // It holds nothing that is not in the deployments' records, so it needs no backup and nobody misses it.
    removalPolicy: props.removalPolicy ?? RemovalPolicy.DESTROY,
  });
}
