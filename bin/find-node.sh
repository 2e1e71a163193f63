# Sourced by the commands in this folder: replaces the shell by Node.js 24 or newer, so that no
# second process stays between the caller (signals, exit code) and the program.
# The platform package beside this one comes first, then what FLOTILLA_NODE or the PATH names.
flotilla_script=$(readlink -f "$0" 2>/dev/null || echo "$0")
flotilla_root=$(dirname "$(dirname "$flotilla_script")")
for flotilla_node in \
  "$FLOTILLA_NODE" \
  "$flotilla_root"/node_modules/node-*/bin/node \
  "$flotilla_root"/../node-*/bin/node \
  "$(command -v node 2>/dev/null)"
do
  if [ -n "$flotilla_node" ] && [ -x "$flotilla_node" ]; then
    exec "$flotilla_node" "$flotilla_script" "$@"
  fi
done
echo "error: no Node.js found: run \"npm install\" in $flotilla_root, or install Node.js 24" >&2
exit 1
