/** The command line of `aws s3 cp`, as far as the stand-in knows it. */
import { UsageError } from './usage-error';

export interface Filter {
  readonly include: boolean;
  readonly pattern: string;
}

export interface CpArguments {
  readonly source: string;
  readonly bucket: string;
  readonly key: string;
  readonly recursive: boolean;
  readonly followLinks: boolean;
  /** Print no line for an upload that succeeded. */
  readonly quiet: boolean;
  /** Print no line for an upload that failed either. */
  readonly silent: boolean;
  readonly contentType?: string;
  readonly cacheControl?: string;
  /** In the order given: the last that matches decides. */
  readonly filters: readonly Filter[];
}

const FLAGS = ['--recursive', '--only-show-errors', '--no-progress', '--quiet', '--no-follow-symlinks'];
const VALUED = ['--content-type', '--cache-control', '--exclude', '--include'];
const HINT = `This machine has no AWS CLI, and its stand-in only knows "aws s3 cp <file or directory> s3://<bucket>/<key>" with ${[...FLAGS, ...VALUED].join(', ')}. `
  + 'Install the AWS CLI for more.';

export function parseCp(args: readonly string[]): CpArguments {
  if (args[0] !== 's3' || args[1] !== 'cp') {
    throw new UsageError(`aws: "${args.slice(0, 2).join(' ')}" is not implemented. ${HINT}`);
  }
  const paths: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const filters: Filter[] = [];
  const rest = args.slice(2);
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [option, inline] = argument.startsWith('--') ? argument.split(/=(.*)/s) : [argument];
    if (FLAGS.includes(option) && inline === undefined) {
      flags.add(option);
    } else if (VALUED.includes(option)) {
      const value = inline ?? rest.shift();
      if (value === undefined) {
        throw new UsageError(`aws: ${option} expects a value. ${HINT}`);
      }
      values.set(option, value);
      if (option === '--exclude' || option === '--include') {
        filters.push({ include: option === '--include', pattern: value });
      }
    } else if (argument.startsWith('-')) {
      throw new UsageError(`aws: ${argument} is not implemented. ${HINT}`);
    } else {
      paths.push(argument);
    }
  }
  const [source, destination] = paths;
  const target = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(destination ?? '');
  if (paths.length !== 2 || source.startsWith('s3://') || !target) {
    throw new UsageError(`aws: expected a file or directory and s3://<bucket>/<key>, got ${paths.map((path) => `"${path}"`).join(' ') || 'nothing'}. ${HINT}`);
  }
  return {
    source,
    bucket: target[1],
    key: target[2],
    recursive: flags.has('--recursive'),
    followLinks: !flags.has('--no-follow-symlinks'),
    quiet: flags.has('--only-show-errors') || flags.has('--quiet'),
    silent: flags.has('--quiet'),
    contentType: values.get('--content-type'),
    cacheControl: values.get('--cache-control'),
    filters,
  };
}

/** Whether a file, by its path below the source directory, is to be copied. */
export function isIncluded(path: string, filters: readonly Filter[]): boolean {
  return filters.reduce((included, { include, pattern }) => globExpression(pattern).test(path) ? include : included, true);
}

/** As Python's fnmatch: `*` crosses slashes, `[!a]` negates. */
function globExpression(pattern: string): RegExp {
  const source = pattern.replace(/\*|\?|\[(!?)([^\]]+)\]|[\\^$.|+(){}[\]]/g, (found, negated: string, set?: string) => {
    if (set !== undefined) {
      return `[${negated && '^'}${set.replace(/[\\^]/g, '\\$&')}]`;
    }
    return found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`;
  });
  return new RegExp(`^${source}$`, 's');
}
