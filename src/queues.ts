import { Aws, Duration, Fn, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';
import { checkMaxReceiveCount, checkVisibilityTimeout } from './validation';

/** 14 days is also the longest that SQS keeps a message. */
export const messageRetention = (props: NextjsBuildPipelineProps) => props.messageRetention ?? Duration.days(14);

export const visibilityTimeout = (props: NextjsBuildPipelineProps) => props.visibilityTimeout ?? Duration.seconds(1800);

export const maxReceiveCount = (props: NextjsBuildPipelineProps) => props.maxReceiveCount ?? 3;

/** The queue of build requests and its dead-letter queue. */
export function buildQueues(scope: Construct, props: NextjsBuildPipelineProps, consumerTimeout: Duration): [sqs.Queue, sqs.Queue] {
  checkVisibilityTimeout(scope, visibilityTimeout(props), consumerTimeout);
  checkMaxReceiveCount(maxReceiveCount(props));
  return queueWithDeadLetters(scope, props, { visibilityTimeout: visibilityTimeout(props), maxReceiveCount: maxReceiveCount(props) });
}

export interface ReceiveOptions {
  readonly visibilityTimeout: Duration;
  readonly maxReceiveCount: number;
}

/** A queue, and the queue for what was received too often. A scope has one such pair. */
export function queueWithDeadLetters(scope: Construct, props: NextjsBuildPipelineProps, options: ReceiveOptions): [sqs.Queue, sqs.Queue] {
  // Each queue's policy names the other one, and CloudFormation accepts no circle. So this queue's name is put together here, from
  // the construct's address and the stack's UUID: as unique as a generated name, and known without asking the queue.
  const stackUuid = Fn.select(2, Fn.split('/', Aws.STACK_ID));
  const queueName = `${Names.uniqueResourceName(scope, { maxLength: 40, separator: '-' })}-${stackUuid}`;
  const queueArn = Stack.of(scope).formatArn({ service: 'sqs', resource: queueName });

  const deadLetterQueue = createQueue(scope, 'DeadLetterQueue', props, {
    redriveAllowPolicy: { redrivePermission: sqs.RedrivePermission.BY_QUEUE, sourceQueues: [sqs.Queue.fromQueueArn(scope, 'QueueByName', queueArn)] },
  });
  const queue = createQueue(scope, 'Queue', props, {
    queueName,
    visibilityTimeout: options.visibilityTimeout,
    deadLetterQueue: { queue: deadLetterQueue, maxReceiveCount: options.maxReceiveCount },
  });
  return [queue, deadLetterQueue];
}

/** For build events; Lambda and EventBridge write to it, no queue does. */
export function eventDeadLetterQueue(scope: Construct, props: NextjsBuildPipelineProps): sqs.Queue {
  return createQueue(scope, 'EventDeadLetterQueue', props, { redriveAllowPolicy: { redrivePermission: sqs.RedrivePermission.DENY_ALL } });
}

function createQueue(scope: Construct, id: string, props: NextjsBuildPipelineProps, options: sqs.QueueProps): sqs.Queue {
  return new sqs.Queue(scope, id, {
    enforceSSL: true,
    encryption: props.encryptionKey ? sqs.QueueEncryption.KMS : sqs.QueueEncryption.SQS_MANAGED,
    encryptionMasterKey: props.encryptionKey,
    retentionPeriod: messageRetention(props),
    removalPolicy: props.removalPolicy ?? RemovalPolicy.DESTROY,
    ...options,
  });
}
