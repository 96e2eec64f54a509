import type { Build } from '@aws-sdk/client-codebuild';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

export interface Finalizer {
  readonly client: LambdaClient;
  readonly functionName: string;
}

/** As if the build's event had come (again): with Lambda's retries and the finalizer's dead-letter queue behind it. */
export async function tellFinalizer({ client, functionName }: Finalizer, build: Build): Promise<void> {
  const detail = { 'build-id': build.arn, 'build-status': build.buildStatus };
  await client.send(new InvokeCommand({ FunctionName: functionName, InvocationType: 'Event', Payload: JSON.stringify({ detail }) }));
}
