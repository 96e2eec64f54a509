# One `next build`: OpenNext runs the app's "build" script, and packages what it leaves.
. "$STEPS/common.sh"
cd "$(<"$STATE/app")" || exit
use_package_manager
# Older releases of OpenNext ask for a sharp that downloads from GitHub instead of the npm registry.
export NODE_ENV=production SHARP_VERSION=0.35.5
node "$STEPS/open-next.mjs"
version=$(<"$STATE/open-next-version") open_next=$(<"$STATE/open-next")
say "Next.js $(<"$STATE/next-version"), OpenNext $version"
if [ -z "$open_next" ]; then
  get tools "@opennextjs/aws@$version" || fail PACKAGE_FAILED "@opennextjs/aws $version cannot be fetched. Try again."
  open_next="$STATE/tools/node_modules/@opennextjs/aws"
fi

# Of an earlier build only the cache is of use, the rest would get into the functions.
rm -rf .open-next
if [ -d .next ]; then find .next -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +; fi
# Next.js can do without a configuration, OpenNext cannot.
ls next.config.* > /dev/null 2>&1 || echo 'export default {};' > next.config.mjs

if ! run node "$open_next/dist/index.js" build < /dev/null; then
  if logged 'not supported by the Next.js team'; then fail UNSUPPORTED_NEXTJS_VERSION "OpenNext $version refuses this Next.js. Upgrade \"next\"."; fi
  if logged 'Generating bundle'; then fail PACKAGE_FAILED 'next build is done, but OpenNext cannot package it. See above.'; fi
  fail BUILD_FAILED "The app's build script failed. See above."
fi
# OpenNext goes on without sharp, and every image would fail at run time.
if logged 'Could not install dependencies'; then fail PACKAGE_FAILED 'The dependencies of the image function cannot be installed. See above.'; fi
