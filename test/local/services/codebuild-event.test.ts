/** How CodeBuild writes dates in its events: in UTC, without saying so. */
import { eventDate } from '../../../local/services/codebuild/event';

test.each([
  ['2026-11-22T16:12:29Z', 'Nov 22, 2026 4:12:29 PM'],
  ['2026-01-02T00:05:09Z', 'Jan 2, 2026 12:05:09 AM'],
  ['2026-01-02T12:00:00Z', 'Jan 2, 2026 12:00:00 PM'],
])('%s is %s', (iso, expected) => {
  expect(eventDate(new Date(iso))).toBe(expected);
});
