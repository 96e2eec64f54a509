# Stores the output below this build's own staging prefix. The manifest comes last: where it lies, everything else lies.
. "$STEPS/common.sh"
staging="s3://$ARTIFACTS_BUCKET_NAME/staging/$CODEBUILD_BUILD_ARN"
{
  aws s3 cp --recursive --only-show-errors --exclude artifacts/manifest.json "$OUTPUT" "$staging/" &&
    aws s3 cp --only-show-errors "$OUTPUT/artifacts/manifest.json" "$staging/artifacts/manifest.json"
} || fail UPLOAD_FAILED "The artifacts could not be stored in $ARTIFACTS_BUCKET_NAME. Check the build role's access to the bucket and its key."
