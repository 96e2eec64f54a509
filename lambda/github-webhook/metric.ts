import { WEBHOOK_METRIC } from '../../src/contract/webhook';

/** A line of the embedded metric format: CloudWatch makes a metric of it, and the function needs no permission for that. */
export function countFailedDelivery(functionName: string, status: number, reason: string): void {
  const { dimension, name, namespace } = WEBHOOK_METRIC;
  const metric = { Namespace: namespace, Dimensions: [[dimension]], Metrics: [{ Name: name, Unit: 'Count' }] };
  const line = { _aws: { Timestamp: Date.now(), CloudWatchMetrics: [metric] }, [dimension]: functionName, [name]: 1, status, reason };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
