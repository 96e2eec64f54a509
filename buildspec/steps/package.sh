# Lays OpenNext's output out like the artifacts bucket, below $OUTPUT.
. "$STEPS/common.sh"
rm -rf "$OUTPUT"
node "$STEPS/package.mjs"
