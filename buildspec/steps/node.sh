# The Node.js that the app asks for, if it is not the machine's: facts `node-path`, what comes first in its PATH, and `node-version`.
. "$STEPS/common.sh"
node "$STEPS/node.mjs"
bin=''
while [ -z "$bin" ] && read -r package; do
  bin="$(tool_path "$package")/${package%@*}/bin"
  get "$package" < /dev/null && "$bin/node" --version > /dev/null && continue
  say "Warning: $package is not to be had for this machine. What comes next is used."
  bin=''
done < "$STATE/node"
printf %s "$bin" > "$STATE/node-path"
printf %s "$(PATH="$bin${bin:+:}$PATH" node -p process.versions.node)" > "$STATE/node-version"
