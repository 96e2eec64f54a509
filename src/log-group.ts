import { RemovalPolicy } from 'aws-cdk-lib';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';

/** A log group as the pipeline's properties want it. Without a name CloudFormation gives it one. */
export function createLogGroup(scope: Construct, id: string, props: NextjsBuildPipelineProps, logGroupName?: string): logs.LogGroup {
  return new logs.LogGroup(scope, id, {
    logGroupName,
    retention: props.logRetention ?? logs.RetentionDays.ONE_MONTH,
    encryptionKey: props.encryptionKey,
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
  });
}
