# Builds the app with OpenNext, which runs app-build.sh, and packages what that leaves.
. "$STEPS/common.sh"
cat > "$STATE/environment" # for app-build.sh
exec < /dev/null
cd "$(<"$STATE/app")" || exit
node "$STEPS/open-next.mjs"
version=$(<"$STATE/open-next-version")
say "Next.js $(<"$STATE/next-version"), OpenNext $version"
if [ ! -s "$STATE/open-next" ]; then
  get "@opennextjs/aws@$version" || fail PACKAGE_FAILED "@opennextjs/aws $version cannot be fetched. Try again."
  printf %s "$(tool_path "@opennextjs/aws@$version")/@opennextjs/aws" > "$STATE/open-next"
fi

# What the app's build writes into node_modules is none of an install's.
finish save-dependencies 600
# Of an earlier build only the cache is of use, the rest would get into the functions.
rm -rf .open-next "$STATE/built"
if [ -d .next ]; then find .next -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +; fi
cache_wait next
# Next.js can do without a configuration, OpenNext cannot.
ls next.config.* > /dev/null 2>&1 || echo 'export default {};' > next.config.mjs

# OpenNext installs sharp for the image function: older releases one that downloads from GitHub instead of the npm registry, and all of them
# for this machine's processor. app-build.sh takes back what is not for the app.
export NODE_ENV=production SHARP_VERSION=0.35.5
export npm_config_audit=false
case "${FUNCTION_ARCHITECTURE:-}" in
  x86_64) export npm_config_cpu=x64 ;;
  arm64) export npm_config_cpu=arm64 ;;
esac
# It is the same sharp each time.
mkdir -p "$STATE/bin"
printf '#!/usr/bin/env bash\nexec bash "%s/npm-once.sh" "$@"\n' "$STEPS" > "$STATE/bin/npm"
chmod +x "$STATE/bin/npm"
export PATH="$STATE/bin:$PATH"
if ! run node "$(<"$STATE/open-next")/dist/index.js" build --config-path "$(<"$STATE/config-path")" < /dev/null; then
  if logged 'not supported by the Next.js team'; then fail UNSUPPORTED_NEXTJS_VERSION "OpenNext $version refuses this Next.js. Upgrade \"next\"."; fi
  if [ -e "$STATE/built" ]; then fail PACKAGE_FAILED 'The app is built, but OpenNext cannot package it. See above.'; fi
  fail BUILD_FAILED 'The app'"'"'s build script failed, or its open-next.config.ts is not right. See above.'
fi
# OpenNext goes on without sharp, and every image would fail at run time.
if logged 'Could not install dependencies'; then fail PACKAGE_FAILED 'The dependencies of the image function cannot be installed. See above.'; fi
background save cache-save tools next
