import { SendMessageCommand, type SendMessageCommandInput } from '@aws-sdk/client-sqs';
import { BuildRequest, RECORDED_FIELDS } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';

/** The request of a recorded deployment, as its producer would send it, but for what the record does not keep. */
export function requestMessage(queueUrl: string, record: DeploymentRecord, attributes?: SendMessageCommandInput['MessageAttributes']): SendMessageCommand {
  return new SendMessageCommand({
    QueueUrl: queueUrl,
    MessageBody: JSON.stringify(requestOf(record)),
    MessageGroupId: record.projectId,
    ...(attributes && { MessageAttributes: attributes }),
  });
}

function requestOf(record: DeploymentRecord): BuildRequest {
  return Object.fromEntries(RECORDED_FIELDS.map((field) => [field, record[field]])) as unknown as BuildRequest;
}
