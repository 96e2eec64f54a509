import { readdirSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { parse } from 'yaml';
import { NextjsBuildSpec, renderBuildSpec } from '../../src/buildspec';
import { EXIT_CODES } from '../../src/contract/failure-codes';

const STEPS = path.join(__dirname, '..', '..', 'buildspec', 'steps');

afterEach(() => {
  jest.restoreAllMocks();
});

test('the buildspec is YAML with CodeBuild\'s phases, run by bash', () => {
  const buildSpec = parse(renderBuildSpec());
  expect(buildSpec.version).toBe(0.2);
  expect(buildSpec.env).toEqual({ shell: 'bash' });
  expect(Object.keys(buildSpec.phases)).toEqual(['install', 'pre_build', 'build', 'post_build']);
  expect(buildSpec.phases.build['on-failure']).toBe('ABORT');
});

test('there is room left below CodeBuild\'s limit of 25,600 characters', () => {
  expect(renderBuildSpec().length).toBeLessThan(21_000);
});

test('every step file is inlined word for word', () => {
  const commands: string[] = parse(renderBuildSpec()).phases.install.commands;
  const files = readdirSync(STEPS);
  expect(files).toContain('checkout.sh');
  for (const file of files) {
    const text = readFileSync(path.join(STEPS, file), 'utf8');
    expect(commands).toContain(`cat > "$STEPS/${file}" <<'END_OF_STEP'\n${text}END_OF_STEP\n`);
    expect(text).not.toMatch(/^END_OF_STEP$/m);
  }
});

test('the exit statuses come from the contract', () => {
  const commands: string[] = parse(renderBuildSpec()).phases.install.commands;
  const exitCodes = commands.find((command) => command.includes('exit-codes.sh'));
  for (const [code, status] of Object.entries(EXIT_CODES)) expect(exitCodes).toContain(` EXIT_${code}=${status}`);
});

test('CodeBuild installs Node.js, unless the image is not one of its own', () => {
  expect(parse(renderBuildSpec()).phases.install['runtime-versions']).toEqual({ nodejs: '$NODE_VERSION' });
  const forOtherImages = renderBuildSpec({ runtimeVersions: false });
  expect(forOtherImages).not.toContain('runtime-versions');
  expect(parse(forOtherImages).phases.install.commands).toEqual(parse(renderBuildSpec()).phases.install.commands);
});

test('a text that CodeBuild would refuse is refused at synth', () => {
  const readFile = fs.readFileSync;
  jest.spyOn(jest.requireActual<typeof fs>('fs'), 'readFileSync').mockImplementation((...args) => {
    const text = readFile(...args);
    return String(args[0]).endsWith('upload.sh') ? `${text}${'# more\n'.repeat(3000)}` : text;
  });
  expect(() => renderBuildSpec()).toThrow(/The buildspec has \d+ characters, CodeBuild accepts 25600\. Shorten/);
});

test('the construct gets the text itself, not an asset', () => {
  const buildSpec = new NextjsBuildSpec();
  expect(buildSpec.isImmediate).toBe(true);
  expect(buildSpec.toBuildSpec()).toBe(renderBuildSpec());
});
