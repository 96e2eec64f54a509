# Installs what the lockfile says, with the app's own package manager.
. "$STEPS/common.sh"
node "$STEPS/detect.mjs"
kind=$(<"$STATE/kind") tool=$(<"$STATE/tool") lockfile=$(<"$STATE/lockfile")

if [ -n "$tool" ] && ! get manager "$tool"; then
  if logged 'E404|ETARGET'; then fail UNSUPPORTED_PACKAGE_MANAGER "$tool does not exist. Correct \"packageManager\" in package.json."; fi
  fail INSTALL_FAILED "$tool cannot be fetched. Try again."
fi
cd "$(<"$STATE/root")" || exit
rm -f .pnp.*
use_package_manager
unset NODE_ENV # "production" leaves devDependencies out

if [ -z "$lockfile" ]; then say 'WARNING: there is no lockfile, so each build may get other versions. Commit one.'; fi
case "$kind${lockfile:+ locked}" in
  'npm locked') set -- npm ci --include=dev ;;
  npm) set -- npm install --include=dev ;;
  'pnpm locked') set -- pnpm install --frozen-lockfile --prod=false ;;
  pnpm) set -- pnpm install --no-frozen-lockfile --prod=false ;;
  'yarn locked') set -- yarn install --frozen-lockfile --production=false --non-interactive ;;
  yarn) set -- yarn install --production=false --non-interactive ;;
  'berry locked') set -- yarn install --immutable ;;
  berry) set -- yarn install --no-immutable ;;
  'bun locked') set -- bun install --frozen-lockfile ;;
  bun) set -- bun install ;;
esac
printf %s "$1@$("$1" --version)" > "$STATE/package-manager"
say "$(<"$STATE/package-manager"): $*"
run "$@" || fail INSTALL_FAILED "\"$*\" failed. Run it on your machine, and commit the lockfile that belongs to package.json."
