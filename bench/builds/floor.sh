#!/usr/bin/env bash
# What nobody can do faster: OpenNext in a working copy in which dependencies, .next/cache and OpenNext itself are in place; then zip and upload.
# In the app's directory. In: OPEN_NEXT (its directory), TARGET (s3://bucket/prefix), MANAGER_BIN (first in PATH).
set -euo pipefail
export CI=true NEXT_TELEMETRY_DISABLED=1 PATH="$MANAGER_BIN:$PATH"
rm -rf .open-next ./*.zip
node "$OPEN_NEXT/dist/index.js" build < /dev/null
for function in .open-next/server-functions/* .open-next/image-optimization-function .open-next/revalidation-function .open-next/warmer-function; do
  if [ -d "$function" ]; then (cd "$function" && zip -qry "$OLDPWD/$(basename "$function").zip" .); fi
done
for archive in *.zip; do aws s3 cp --only-show-errors "$archive" "$TARGET/$archive"; done
aws s3 cp --only-show-errors --recursive .open-next/assets "$TARGET/assets"
