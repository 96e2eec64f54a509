# Installs what the lockfile says, with the app's own package manager, unless the cache has exactly that.
. "$STEPS/common.sh"
cat > "$STATE/environment"
exec < /dev/null
bash "$STEPS/node.sh"
use_node
node "$STEPS/detect.mjs"
kind=$(<"$STATE/kind") tool=$(<"$STATE/tool") lockfile=$(<"$STATE/lockfile")
manager=${tool:-npm@$(npm --version)}
printf %s "${manager/@yarnpkg\/cli-dist/yarn}" > "$STATE/package-manager"
node "$STEPS/dependencies-key.mjs"

if [ -n "$tool" ] && ! get "$tool"; then
  if logged 'E404|ETARGET'; then fail UNSUPPORTED_PACKAGE_MANAGER "$tool does not exist. Correct \"packageManager\" in package.json."; fi
  fail INSTALL_FAILED "$tool cannot be fetched. Try again."
fi
open_next=$(node "$STEPS/open-next-guess.mjs")
if [ -n "$open_next" ]; then get_beside "$open_next"; fi
cd "$(<"$STATE/root")" || exit
rm -f .pnp.*
use_package_manager
unset NODE_ENV # "production" leaves devDependencies out

if [ -z "$lockfile" ]; then say 'WARNING: there is no lockfile, so each build may get other versions. Commit one.'; fi
cache_wait dependencies
began=$(now)
if [ "$(result dependencies)" = hit ]; then
  node "$STEPS/lifecycle.mjs" > "$STATE/lifecycle"
  case $kind in
    npm) set -- npm run --ignore-scripts ;;
    pnpm) set -- pnpm --config.enable-pre-post-scripts=false run ;;
    yarn | berry) set -- yarn run ;;
    bun) set -- bun run ;;
  esac
  while IFS=$'\t' read -r directory script; do
    say "$directory: $script"
    cd "$directory" || exit
    run "$@" "$script" < /dev/null || fail INSTALL_FAILED "The script \"$script\" of $directory/package.json failed. See above."
  done < "$STATE/lifecycle"
  note dependencies workSeconds "$(seconds "$(since "$began")")"
  exit
fi

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
# What was downloaded for the last lockfile is most of what this one needs.
if [ -s "$STATE/handover" ]; then node "$STEPS/cache-restore.mjs" store; fi
cache_wait store
store="$STATE/store"
mkdir -p "$store"
case $kind in
  npm) export npm_config_cache="$store" ;;
  pnpm) export npm_config_store_dir="$store" pnpm_config_store_dir="$store" ;;
  yarn) export YARN_CACHE_FOLDER="$store" ;;
  berry) export YARN_GLOBAL_FOLDER="$store" ;; # the cache in the app's own folder may be part of the repository
  bun) export BUN_INSTALL_CACHE_DIR="$store" ;;
esac
began=$(now)
say "$(<"$STATE/package-manager"): $*"
run "$@" || fail INSTALL_FAILED "\"$*\" failed. Run it on your machine, and commit the lockfile that belongs to package.json."
for layer in dependencies store; do note $layer workSeconds "$(seconds "$(since "$began")")"; done
if [ -n "$(<"$STATE/dependencies-key")" ]; then background save-dependencies cache-save dependencies; fi
background save-store cache-save store
