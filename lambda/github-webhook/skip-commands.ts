/**
 * What people write into a commit's message to say: not this one. As GitHub's own workflows understand it; GitLab and Bitbucket know the first two.
 * https://docs.github.com/en/actions/how-tos/manage-workflow-runs/skip-workflow-runs
 */
const COMMANDS = /\[(skip ci|ci skip|no ci|skip actions|actions skip)\]/i;

/** At the message's end, below an empty line. */
const TRAILER = /\n\s*\nskip-checks: ?true\s*$/i;

/** The command in the message; undefined: there is none. */
export function skipCommandOf(message: string): string | undefined {
  return COMMANDS.exec(message)?.[0] ?? (TRAILER.test(message) ? 'skip-checks: true' : undefined);
}
