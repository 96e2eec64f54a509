/**
 * The function that fetches the source of private repositories for builds, with what it may do: to read the secrets of the source providers,
 * and to store what it has fetched. It can neither read anything in the bucket nor start a build.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { HANDLER_ENV } from './contract/environment';
import { SOURCE_ROOT } from './contract/keys';
import { SOURCE_FETCH_SECONDS, SOURCE_WAIT_SECONDS } from './contract/source';
import { useOfKey } from './encryption';
import { handlerFunction } from './handler-function';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';
import { rightToRead } from './secret-access';
import { SourceProvider } from './source-provider';
import { checkSourceProviders } from './validation';

export function createSourceFetcher(
  pipeline: Construct, props: NextjsBuildPipelineProps, providers: readonly SourceProvider[], logGroup: logs.ILogGroup,
): lambda.Function {
  checkSourceProviders(providers);
  const { artifactsBucket, permissionsBoundary } = props;
  const fetcher = handlerFunction(pipeline, 'SourceFetcher', {
    handler: 'source-fetcher',
    description: 'Fetches the source of private repositories for builds',
    timeout: Duration.seconds(SOURCE_FETCH_SECONDS),
    // Memory is also processor and network share: it takes 160 MB or so, however large the repository.
    memorySize: 1024,
    // Only a call that crashed comes again: a host that refuses, or is away, has been asked three times by then.
    retryAttempts: 1,
    // Later than that, the build has stopped waiting.
    maxEventAge: Duration.seconds(SOURCE_WAIT_SECONDS),
    environment: {
      [HANDLER_ENV.artifactsBucket]: artifactsBucket.bucketName,
      [HANDLER_ENV.sourceProviders]: Stack.of(pipeline).toJsonString(providers.map(({ _settings }) => _settings)),
    },
    logGroup,
    permissionsBoundary,
  });
  const statements = [
    new iam.PolicyStatement({ actions: ['s3:PutObject', 's3:AbortMultipartUpload'], resources: [artifactsBucket.arnForObjects(`${SOURCE_ROOT}*`)] }),
    ...useOfKey(artifactsBucket.encryptionKey, 's3'),
    ...providers.flatMap(({ _secret }) => rightToRead(_secret)),
  ];
  statements.forEach((statement) => fetcher.addToRolePolicy(statement));
  return fetcher;
}

/** To call the fetcher, and to sign URLs of what it stores, which are worth what the signer may do. */
export function allowToHaveSourcesFetched(
  orchestrator: lambda.Function, fetcher: lambda.IFunction, bucket: s3.IBucket, providers: readonly SourceProvider[],
): void {
  orchestrator.addEnvironment(HANDLER_ENV.sourceFetcherFunction, fetcher.functionName);
  orchestrator.addEnvironment(HANDLER_ENV.sourceHosts, providers.map(({ host }) => host).join(','));
  // Not grantInvoke, which also covers every version and alias.
  orchestrator.addToRolePolicy(new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [fetcher.functionArn] }));
  orchestrator.addToRolePolicy(new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: [bucket.arnForObjects(`${SOURCE_ROOT}*`)] }));
}
