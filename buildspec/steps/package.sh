# Lays OpenNext's output out like the artifacts bucket, below $OUTPUT.
. "$STEPS/common.sh"
rm -rf "${OUTPUT:?}"/* "$STATE/warnings" "$STATE/functions"
node "$STEPS/leaks.mjs"
node "$STEPS/package.mjs" < /dev/null
# The upload takes files alone. Here a link leads no further than the app's own code may go.
find "$OUTPUT" -type l -print0 | while IFS= read -r -d '' link; do
  rm -rf "$STATE/linked"
  cp -RL "$link" "$STATE/linked" || say "Warning: ${link#"$OUTPUT/"} is a link that leads nowhere."
  rm -f "$link"
  if [ -e "$STATE/linked" ]; then mv "$STATE/linked" "$link"; fi
done
account package
export phase=cache # of what comes now
saved
