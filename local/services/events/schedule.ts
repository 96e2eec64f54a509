/** Schedule expressions of EventBridge rules: those that say how often. */

const UNIT_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Milliseconds from one run to the next of `rate(5 minutes)`; undefined for anything else, such as `cron(…)`. */
export function intervalOf(expression: string): number | undefined {
  const [, count, unit, plural] = /^rate\(([1-9]\d*) (minute|hour|day)(s?)\)$/.exec(expression) ?? [];
  // EventBridge insists on grammar: rate(1 hour), rate(2 hours).
  return unit === undefined || (count === '1') === (plural === 's') ? undefined : Number(count) * UNIT_MS[unit];
}
