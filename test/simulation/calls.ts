/** What a call of a handler is called in a trace, and what AWS would check for it. */
import { BUILD_PROJECT_ARN } from './code-build';
import type { HttpRequest } from './execution-environment';
import type { AwsCall } from './faults';
import { ACCOUNT_ID, REGION } from './services';
import { callsOf } from '../../local/services/dynamodb/calls';
import type { ApiCall } from '../../local/services/service';

export function nameOf({ handler, invocation, index, operation }: AwsCall): string {
  return `${handler} ${invocation}.${index} ${operation}`;
}

/** Of the services that are not those of the local run, which report their own. */
export function permissionsOf({ operation, service }: AwsCall, { body, headers }: HttpRequest): ApiCall[] {
  const arn = (of: string, name: string) => `arn:aws:${of}:${REGION}:${ACCOUNT_ID}:${name}`;
  switch (service) {
    case 'dynamodb': return callsOf(headers['x-amz-target'], body, { region: REGION, accountId: ACCOUNT_ID });
    case 'codebuild': return [{ service, action: `codebuild:${operation}`, resource: BUILD_PROJECT_ARN }];
    case 'lambda': return [{ service, action: 'lambda:InvokeFunction', resource: arn('lambda', 'function:finalizer') }];
    case 'events': return (JSON.parse(body.toString()) as { Entries: { Source: string; DetailType: string }[] }).Entries.map(({ DetailType, Source }) => ({
      service, action: 'events:PutEvents', resource: arn('events', 'event-bus/default'), context: { 'events:source': Source, 'events:detail-type': DetailType },
    }));
    default: return [];
  }
}

export function describe({ path, headers, body }: HttpRequest): string {
  return headers['x-amz-target'] ? body.toString() : `${path} ${body.toString()}`;
}
