#!/usr/bin/env bash
# The recipe that everybody copies: the app's own build, then OpenNext with a build of its own; tools downloaded each time; nothing kept.
# In an empty directory. In: REPO_URL, COMMIT_SHA, ROOT_DIRECTORY, MANAGER (name@version), OPEN_NEXT_VERSION, TARGET (s3://bucket/prefix).
set -euo pipefail
export CI=true NEXT_TELEMETRY_DISABLED=1 npm_config_prefix="$PWD/global" npm_config_cache="$PWD/npm-cache" YARN_CACHE_FOLDER="$PWD/yarn-cache" npm_config_store_dir="$PWD/store"
export PATH="$PWD/global/bin:$PATH"

git clone -q "$REPO_URL" app
cd app
git checkout -q "$COMMIT_SHA"
case "$MANAGER" in
  npm@*) npm ci ;;
  pnpm@*) npm install --global "$MANAGER" && pnpm install --frozen-lockfile ;;
  yarn@*) npm install --global "$MANAGER" && yarn install --frozen-lockfile --non-interactive ;;
esac
cd "${ROOT_DIRECTORY:-.}"
"${MANAGER%@*}" run build
npx --yes "@opennextjs/aws@$OPEN_NEXT_VERSION" build

for function in .open-next/server-functions/* .open-next/image-optimization-function .open-next/revalidation-function .open-next/warmer-function; do
  if [ -d "$function" ]; then (cd "$function" && zip -qr "$OLDPWD/$(basename "$function").zip" .); fi
done
for archive in *.zip; do aws s3 cp --only-show-errors "$archive" "$TARGET/$archive"; done
aws s3 cp --only-show-errors --recursive .open-next/assets "$TARGET/assets"
