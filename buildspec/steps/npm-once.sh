# What OpenNext calls npm. An install of exact versions into an empty directory is done once, and kept with the tools.
set -euo pipefail
PATH=${PATH#"$STATE/bin:"}
for argument in "${@:2}"; do
  if [[ $argument != -* && ! $argument =~ @[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then exec npm "$@"; fi
done
name="installs/$(printf %s "$* ${npm_config_cpu:-}" | git hash-object --stdin)"
home="$STATE/tools/$name"
if [ -f "$home/.complete" ]; then
  cp -R "$home/node_modules" .
else
  npm "$@"
  rm -rf "$home"
  mkdir -p "$home"
  cp -R node_modules "$home"
  : > "$home/.complete"
fi
echo "$name" >> "$STATE/tools-used"
