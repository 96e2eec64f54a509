import * as fs from 'fs';
import * as path from 'path';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import { EXIT_CODES } from './contract/failure-codes';

/** CodeBuild's limit for a buildspec inside a project. */
const MAX_LENGTH = 25_600;

/** Beside the published lib/ as well as beside src/. */
const BUILDSPEC_DIRECTORY = path.join(__dirname, '..', 'buildspec');

/** Stands in nextjs-build.yml where the commands go that write the steps. */
const MARKER = /^( *)- '@steps@'\n/m;

export interface RenderBuildSpecOptions {
  /**
   * Whether CodeBuild is to install Node.js. It refuses `runtime-versions` with images that are not its own.
   * @default true
   */
  readonly runtimeVersions?: boolean;
}

/**
 * The buildspec with every step inlined: readable in the template and in the console, and the build needs no
 * access to an asset bucket that other stacks share.
 */
export function renderBuildSpec(options: RenderBuildSpecOptions = {}): string {
  const skeleton = read('nextjs-build.yml');
  const steps: Array<[string, string]> = [
    ['exit-codes.sh', `export ${Object.entries(EXIT_CODES).map(([code, status]) => `EXIT_${code}=${status}`).join(' ')}\n`],
    ...fs.readdirSync(path.join(BUILDSPEC_DIRECTORY, 'steps')).sort().map((file): [string, string] => [file, read('steps', file)]),
  ];
  const inlined = skeleton.replace(MARKER, (_, indent: string) => steps.map(([file, text]) => writeCommand(file, text, indent)).join(''));
  const text = options.runtimeVersions ?? true ? inlined : inlined.replace(/^ *runtime-versions:\n.*\n/m, '');
  if (text.length > MAX_LENGTH) {
    throw new Error(`The buildspec has ${text.length} characters, CodeBuild accepts ${MAX_LENGTH}. Shorten the files in ${BUILDSPEC_DIRECTORY}.`);
  }
  return text;
}

/** The buildspec as a value for `codebuild.Project`. */
export class NextjsBuildSpec extends codebuild.BuildSpec {
  public readonly isImmediate = true;
  private readonly text: string;

  constructor(options: RenderBuildSpecOptions = {}) {
    super();
    this.text = renderBuildSpec(options);
  }

  public toBuildSpec(): string {
    return this.text;
  }
}

function read(...file: string[]): string {
  return fs.readFileSync(path.join(BUILDSPEC_DIRECTORY, ...file), 'utf8');
}

/** One command of the buildspec that writes one step, as a YAML block scalar. */
function writeCommand(file: string, text: string, indent: string): string {
  const lines = [`cat > "$STEPS/${file}" <<'END_OF_STEP'`, ...text.replace(/\n$/, '').split('\n'), 'END_OF_STEP'];
  return [`${indent}- |`, ...lines.map((line) => (line ? `${indent} ${line}` : line)), ''].join('\n');
}
