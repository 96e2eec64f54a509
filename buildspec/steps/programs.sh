# Which programs the steps find. For the build user: if it may write where it has to, and can replace nothing that root runs after it: programs.sh
# DIRECTORIES, which are root's own.
set -euo pipefail
if [ "$EUID" != 0 ]; then
  for place in "$STATE" "$HOME" "$TMPDIR"; do [ -w "$place" ]; done
  node -e 0
  # Nothing around them either; a sticky directory, such as /tmp, keeps what is another's.
  for place in "$STEPS" "$@"; do
    while [ "$place" != / ]; do
      if [ -O "$place" ] || { [ -w "$place" ] && [ ! -k "$place" ]; }; then exit 1; fi
      place=${place%/*} place=${place:-/}
    done
  done
  IFS=:
  for place in $PATH $(type -P awk aws basename bash cat env find grep mkdir node sed setpriv sleep touch | tr '\n' :); do
    if [ -w "$place" ] || [ -w "${place%/*}" ]; then exit 1; fi
  done
fi
type -P bash git node npm tar zip || true
