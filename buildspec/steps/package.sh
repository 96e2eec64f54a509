# Lays OpenNext's output out like the artifacts bucket, below $OUTPUT.
. "$STEPS/common.sh"
rm -rf "$OUTPUT" "$STATE/warnings" "$STATE/functions"
{ cat "$STATE/handover" 2> /dev/null || true; } | node "$STEPS/leaks.mjs"
node "$STEPS/package.mjs"
