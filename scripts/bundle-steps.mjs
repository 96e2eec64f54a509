// Packs the steps of the buildspec into assets/steps/index.js: a shell script that writes them, without what only people read, in Brotli (a
// tenth smaller than gzip), in base 93 (a twelfth shorter than base64). Here and not at synth, because the bytes differ between versions of
// Node.js, and a template must not.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { build, transform } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const directory = join(root, 'buildspec', 'steps');

/** The exit statuses stand in the contract, once. */
async function exitCodes() {
  const { outputFiles: [{ contents }] } = await build({
    absWorkingDir: root, entryPoints: ['src/contract/failure-codes.ts'], bundle: true, write: false, format: 'esm', logLevel: 'warning',
  });
  const { EXIT_CODES } = await import(`data:text/javascript;base64,${Buffer.from(contents).toString('base64')}`);
  return `export ${Object.entries(EXIT_CODES).map(([code, status]) => `EXIT_${code}=${status}`).join(' ')}\n`;
}

/** What a machine needs of a step: half of it. */
async function essence(file) {
  const text = readFileSync(join(directory, file), 'utf8');
  return file.endsWith('.mjs') ? (await transform(text, { minify: true })).code : text.replace(/^ *(#.*)?\n/gm, '');
}

/**
 * One large number, its digits the printable characters but "$", which linters of templates would take for the beginning of a parameter.
 * src/buildspec.ts has the other way.
 */
function digits(bytes) {
  if (bytes[0] < 16) throw new Error('Expected a first byte of two hex digits; the reader would lose the first of them.');
  const found = [];
  for (let rest = BigInt(`0x${bytes.toString('hex')}`); rest > 0n; rest /= 93n) found.unshift(Number(rest % 93n));
  return String.fromCharCode(...found.map((digit) => (digit < 3 ? digit + 33 : digit + 34)));
}

const steps = [['exit-codes.sh', await exitCodes()]];
// What is alike stands together: that is shorter, too.
const files = readdirSync(directory).sort((a, b) => (extname(a) + a < extname(b) + b ? -1 : 1));
for (const file of files) steps.push([file, await essence(file)]);
const commands = steps.map(([file, text]) => {
  if (!text.endsWith('\n') || /^END_OF_STEP$/m.test(text)) {
    throw new Error(`Expected ${file} to end with a newline and to have no line END_OF_STEP, which would not arrive as it is.`);
  }
  return `cat > "$STEPS/${file}" <<'END_OF_STEP'\n${text}END_OF_STEP\n`;
});
const packed = brotliCompressSync(`set -e\n${commands.join('')}`);

// A variable of the project takes its share, in base64, because CodeBuild sets it for a shell: 2,048 characters. A value may have 4,096, but
// until 2021 CodeBuild's guide said that all names and values together have to stay below some 5,500, and a handover's URL needs some 1,500.
let at = 1536;
while (packed[at] < 16) at -= 3;

mkdirSync(join(root, 'assets', 'steps'), { recursive: true });
writeFileSync(join(root, 'assets', 'steps', 'index.js'), `module.exports = ${JSON.stringify({ variable: packed.subarray(0, at).toString('base64'), digits: digits(packed.subarray(at)) })};\n`);
