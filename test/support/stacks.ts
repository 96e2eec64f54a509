import { App, Stack, StackProps } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { NextjsBuildPipeline, NextjsBuildPipelineProps } from '../../src';

export function deploymentsTable(stack: Stack): dynamodb.TableV2 {
  return new dynamodb.TableV2(stack, 'Deployments', { partitionKey: { name: 'deploymentId', type: dynamodb.AttributeType.STRING } });
}

/** A stack with a pipeline, bucket and table of its own unless `props` brings others. */
export function pipelineStack(props: Partial<NextjsBuildPipelineProps> | ((stack: Stack) => Partial<NextjsBuildPipelineProps>) = {}, stackProps?: StackProps) {
  const stack = new Stack(new App(), 'Test', stackProps);
  const given = typeof props === 'function' ? props(stack) : props;
  const pipeline = new NextjsBuildPipeline(stack, 'Builds', {
    artifactsBucket: given.artifactsBucket ?? new s3.Bucket(stack, 'Artifacts'),
    deploymentsTable: given.deploymentsTable ?? deploymentsTable(stack),
    ...given,
  });
  return { stack, pipeline };
}

export function synthesize(...args: Parameters<typeof pipelineStack>) {
  const { stack, pipeline } = pipelineStack(...args);
  return { stack, pipeline, template: Template.fromStack(stack) };
}

/** Bucket and table that exist already, with keys of the customer's own. */
export function importedWithKeys(stack: Stack): Pick<NextjsBuildPipelineProps, 'artifactsBucket' | 'deploymentsTable'> {
  return {
    artifactsBucket: s3.Bucket.fromBucketAttributes(stack, 'ImportedBucket', {
      bucketName: 'company-artifacts',
      encryptionKey: kms.Key.fromKeyArn(stack, 'BucketKey', 'arn:aws:kms:eu-central-1:111122223333:key/bucket-key'),
    }),
    deploymentsTable: dynamodb.Table.fromTableAttributes(stack, 'ImportedTable', {
      tableName: 'company-deployments',
      encryptionKey: kms.Key.fromKeyArn(stack, 'TableKey', 'arn:aws:kms:eu-central-1:111122223333:key/table-key'),
    }),
  };
}

/** The buildspec has tests of its own; in a snapshot it would drown everything else. */
export function withoutBuildSpec(template: Template): object {
  const json = template.toJSON();
  for (const resource of Object.values<{ Type: string; Properties?: { Source?: { BuildSpec: string } } }>(json.Resources)) {
    if (resource.Type === 'AWS::CodeBuild::Project') resource.Properties!.Source!.BuildSpec = '<buildspec>';
  }
  return json;
}
