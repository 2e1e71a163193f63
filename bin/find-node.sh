# Sourced by the commands in this folder, which are named in $script: replaces the shell by Node.js 24
# or newer, so that no second process stays between the caller (signals, exit code) and the program.
# The platform package beside this one comes first, then what the PATH has; FLOTILLA_NODE before all.
# The shell's own means alone: each program that it ran would take a millisecond of every start.
#
# The room for young objects is bounded: a burst lets it grow to 128 MiB otherwise, and with 64 it takes
# the same CPU (with 16 a sixth more). NODE_OPTIONS may say another size.
case $NODE_OPTIONS in *semi-space-size*) flotilla_young= ;; *) flotilla_young=--max-semi-space-size=32 ;; esac
flotilla_root=${script%/*}/..
for flotilla_node in \
  "$FLOTILLA_NODE" \
  "$flotilla_root"/node_modules/node-*/bin/node \
  "$flotilla_root"/../node-*/bin/node
do
  if [ -n "$flotilla_node" ] && [ -x "$flotilla_node" ]; then
    exec "$flotilla_node" $flotilla_young "$script" "$@"
  fi
done
flotilla_node=$(command -v node 2>/dev/null) && exec "$flotilla_node" $flotilla_young "$script" "$@"
echo "error: no Node.js found: run \"npm install\" in $flotilla_root, or install Node.js 24" >&2
exit 1
