# Stores the output. The manifest comes last: where it lies, everything else lies.
. "$STEPS/common.sh"
store() { aws s3 cp --only-show-errors "$OUTPUT/$1" "s3://$ARTIFACTS_BUCKET_NAME/staging/$CODEBUILD_BUILD_ARN/$1" "${@:2}"; }
if ! store '' --recursive --exclude artifacts/manifest.json || ! store artifacts/manifest.json; then
  fail UPLOAD_FAILED "The output cannot be stored in $ARTIFACTS_BUCKET_NAME. Check the build role's access to the bucket and its key."
fi
