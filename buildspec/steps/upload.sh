# Stores the output, then archives for the next build. The manifest comes last: where it lies, everything else lies.
. "$STEPS/common.sh"
store() { aws s3 cp --only-show-errors "$OUTPUT/$1" "s3://$ARTIFACTS_BUCKET_NAME/staging/$CODEBUILD_BUILD_ARN/$1" "${@:2}"; }
failed() { fail UPLOAD_FAILED "The output cannot be stored in $ARTIFACTS_BUCKET_NAME. Check the build role's access to the bucket and its key."; }
store '' --recursive --exclude artifacts/manifest.json || failed
account upload
for job in save-store save; do finish $job 300; done
cat "$STATE"/save*.log 2> /dev/null || true
node "$STEPS/cache-upload.mjs"
account cache
node "$STEPS/manifest.mjs" || say 'The manifest goes without accounts of time and cache.'
store artifacts/manifest.json || failed
