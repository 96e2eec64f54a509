# Installs the dependencies as the lockfile has them, with the package manager that the app names.
. "$STEPS/common.sh"
node "$STEPS/detect.mjs"
tool=$(<"$STATE/tool") lockfile=$(<"$STATE/lockfile")

if [ -n "$tool" ]; then
  mkdir -p "$STATE/tools"
  cd "$STATE/tools"
  run npm install --prefix . --no-audit --no-fund --loglevel=error "$tool" || {
    if logged 'E404|ETARGET'; then fail UNSUPPORTED_PACKAGE_MANAGER "$tool does not exist. Correct \"packageManager\" in package.json."; fi
    fail INSTALL_FAILED "The package manager $tool could not be fetched. Try again."
  }
fi
use_package_manager
cd "$(<"$STATE/root")"
unset NODE_ENV # "production" would leave out devDependencies

if [ -z "$lockfile" ]; then say 'WARNING: there is no lockfile, every build may get other versions. Commit one.'; fi
case "$manager${lockfile:+ locked}" in
  'npm locked') set -- npm ci --include=dev ;;
  'npm') set -- npm install --include=dev ;;
  'pnpm locked') set -- pnpm install --frozen-lockfile --prod=false ;;
  'pnpm') set -- pnpm install --no-frozen-lockfile --prod=false ;;
  'yarn locked') set -- yarn install --frozen-lockfile --production=false --non-interactive ;;
  'yarn') set -- yarn install --production=false --non-interactive ;;
  'berry locked') rm -f .pnp.*; set -- yarn install --immutable ;;
  'berry') set -- yarn install --no-immutable ;;
  'bun locked') set -- bun install --frozen-lockfile ;;
  'bun') set -- bun install ;;
esac
printf %s "${manager/berry/yarn}@$("$1" --version)" > "$STATE/package-manager"
say "$(<"$STATE/package-manager") in $PWD: $*"
run "$@" || fail INSTALL_FAILED "\"$*\" failed. Run it on your machine, and commit the lockfile that belongs to package.json."
