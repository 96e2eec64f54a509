# One `next build`, run through OpenNext by way of the app's own "build" script.
. "$STEPS/common.sh"
use_package_manager
cd "$(<"$STATE/app")"
export NODE_ENV=production

# Of an earlier build only the cache is of use; the rest would end up in the functions.
rm -rf .open-next
if [ -d .next ]; then find .next -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +; fi
# OpenNext takes a directory without a configuration for something else than a Next.js app.
ls next.config.* > /dev/null 2>&1 || echo 'export default {};' > next.config.mjs

node "$STEPS/open-next.mjs"
cli=$(<"$STATE/open-next-cli") version=$(<"$STATE/open-next-version")
if [ -z "$cli" ]; then
  cli="$STATE/open-next/node_modules/@opennextjs/aws"
  mkdir -p "$STATE/open-next"
  (cd "$STATE/open-next" && run npm install --prefix . --legacy-peer-deps --no-audit --no-fund --loglevel=error "@opennextjs/aws@$version") ||
    fail PACKAGE_FAILED "@opennextjs/aws $version could not be fetched. Try again."
fi
say "Next.js $(<"$STATE/next-version"), OpenNext $version"

run node "$cli/dist/index.js" build < /dev/null || {
  if logged 'not supported by the Next.js team'; then
    fail UNSUPPORTED_NEXTJS_VERSION "OpenNext $version does not support this Next.js. Upgrade \"next\"."
  fi
  if logged 'Generating bundle'; then fail PACKAGE_FAILED "OpenNext could not package the output of next build; its error is above."; fi
  fail BUILD_FAILED "The app's build script failed; its error is above."
}
# OpenNext goes on without sharp; every image would fail at run time.
if logged 'Could not install dependencies'; then fail PACKAGE_FAILED 'OpenNext could not install the dependencies of a function; the reason is above.'; fi
