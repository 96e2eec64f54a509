import * as path from 'path';
import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

export interface HandlerFunctionProps {
  /** Folder below assets/ that holds the bundled handler. */
  readonly handler: string;
  readonly description: string;
  readonly timeout: Duration;
  readonly memorySize: number;
  readonly environment: Record<string, string>;
  readonly logGroup: logs.ILogGroup;
  readonly permissionsBoundary?: iam.IManagedPolicy;
  readonly deadLetterQueue?: sqs.IQueue;
  /** How often Lambda calls it again after a call that nobody waits for has failed; Lambda's default is 2. */
  readonly retryAttempts?: number;
  /** How long such a call may wait for Lambda to begin; Lambda's default is 6 hours. */
  readonly maxEventAge?: Duration;
  /** How many may run at the same time, taken from what the account has; by default as many as there is room for. */
  readonly reservedConcurrentExecutions?: number;
}

/**
 * Pinned, so that upgrading aws-cdk-lib does not change a user's template; by name, because older aws-cdk-lib has no constant for it.
 * Lambda supports it until 2028-04-30.
 */
const RUNTIME = new lambda.Runtime('nodejs24.x', lambda.RuntimeFamily.NODEJS);

/** A Lambda function of the pipeline: the handler as it was bundled into the package, a role of its own, a log group of its own. */
export function handlerFunction(scope: Construct, id: string, props: HandlerFunctionProps): lambda.Function {
  const role = new iam.Role(scope, `${id}Role`, {
    description: props.description,
    assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
    permissionsBoundary: props.permissionsBoundary,
  });
  // Instead of the managed policy AWSLambdaBasicExecutionRole, which may write to every log group of the account.
  props.logGroup.grantWrite(role);
  return new lambda.Function(scope, id, {
    description: props.description,
    runtime: RUNTIME,
    architecture: lambda.Architecture.ARM_64,
    code: lambda.Code.fromAsset(path.join(__dirname, '..', 'assets', props.handler)),
    handler: 'index.handler',
    timeout: props.timeout,
    memorySize: props.memorySize,
    environment: props.environment,
    logGroup: props.logGroup,
    role,
    deadLetterQueue: props.deadLetterQueue,
    retryAttempts: props.retryAttempts,
    maxEventAge: props.maxEventAge,
    reservedConcurrentExecutions: props.reservedConcurrentExecutions,
  });
}
