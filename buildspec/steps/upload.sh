# Stores the output, then archives for the next build. The manifest comes last: where it lies, everything else lies. This is where the build role's
# credentials meet what the app's code has left behind: nothing of it runs any more, and only files are taken that are its own.
CODEBUILD_SRC_DIR=$(<"$STATE/work")
. "$STEPS/common.sh"
user=$(<"$STATE/build-user") uid=$EUID
if [ -n "$user" ]; then
  uid=${user%:*}
  bash "$STEPS/untrusted.sh" end.mjs "$uid" || fail PACKAGE_FAILED 'What the build has left running cannot be ended.'
  # It ran among those that it was to end: what it says of them proves nothing.
  left=$({ cat /proc/[0-9]*/status 2> /dev/null || true; } | awk -v uid="$uid" '/^State:/ { dead = $2 ~ /[ZX]/ } /^Uid:/ && !dead && ($2 == uid || $3 == uid)')
  [ -z "$left" ] || fail PACKAGE_FAILED 'What the build has left running did not end.'
fi
stray=$(find "$OUTPUT" "$CODEBUILD_SRC_DIR/archives" ! -type d ! -type f -o ! -user "$uid" | sed -n 1p)
[ -z "$stray" ] || fail PACKAGE_FAILED "$(printf %q "$stray") is neither a file nor a directory of the build's own."

store() { aws s3 cp --only-show-errors --no-follow-symlinks "$OUTPUT/$1" "s3://$ARTIFACTS_BUCKET_NAME/staging/$CODEBUILD_BUILD_ARN/$1" "${@:2}"; }
failed() { fail UPLOAD_FAILED "The output cannot be stored in $ARTIFACTS_BUCKET_NAME. Check the build role's access to the bucket and its key."; }
store '' --recursive --exclude artifacts/manifest.json || failed
account upload
node "$STEPS/cache-upload.mjs"
account cache
for fact in timings cache/facts; do sed "s|^|$fact |" "$STATE/$fact" 2> /dev/null || true; done > "$STATE/for/manifest.mjs"
bash "$STEPS/untrusted.sh" manifest.mjs || say 'The manifest goes without accounts of time and cache.'
store artifacts/manifest.json || failed
