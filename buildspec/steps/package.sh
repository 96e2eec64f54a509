# Brings OpenNext's output into the shape of the artifacts bucket, below $OUTPUT.
. "$STEPS/common.sh"
rm -rf "$OUTPUT"
TZ=UTC node "$STEPS/package.mjs"
