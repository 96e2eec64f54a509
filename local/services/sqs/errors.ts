/** SQS errors as its JSON protocol names them, with the code that the older query protocol used and clients still look for. */
import { AwsJsonError } from '../aws-json';

const SQS = 'com.amazonaws.sqs#';
const LEGACY = 'AWS.SimpleQueueService.';

export function queueDoesNotExist(): AwsJsonError {
  return new AwsJsonError(`${SQS}QueueDoesNotExist`, 'The specified queue does not exist.', `${LEGACY}NonExistentQueue`);
}

/** The errors whose older name is the same with a prefix. */
type PrefixedError =
  | 'BatchEntryIdsNotDistinct'
  | 'BatchRequestTooLong'
  | 'EmptyBatchRequest'
  | 'InvalidBatchEntryId'
  | 'MessageNotInflight'
  | 'PurgeQueueInProgress'
  | 'TooManyEntriesInBatchRequest'
  | 'UnsupportedOperation';

export function prefixedError(name: PrefixedError, message: string): AwsJsonError {
  return new AwsJsonError(`${SQS}${name}`, message, `${LEGACY}${name}`);
}

type PlainError = 'InvalidAttributeName' | 'InvalidAttributeValue' | 'InvalidMessageContents' | 'ReceiptHandleIsInvalid' | 'ResourceNotFoundException';

export function plainError(name: PlainError, message: string): AwsJsonError {
  return new AwsJsonError(`${SQS}${name}`, message, name);
}

export function queueNameExists(name: string): AwsJsonError {
  return new AwsJsonError(`${SQS}QueueNameExists`, `A queue named ${name} already exists with different attributes.`, 'QueueAlreadyExists');
}

/** Outside the API's model, like any value that no operation of the API could accept. */
export function invalidParameterValue(message: string): AwsJsonError {
  return new AwsJsonError('com.amazon.coral.service#InvalidParameterValueException', message, 'InvalidParameterValue');
}

export function missingParameter(name: string): AwsJsonError {
  return new AwsJsonError(
    'com.amazon.coral.service#MissingRequiredParameterException',
    `The request must contain the parameter ${name}.`,
    'MissingParameter',
  );
}
