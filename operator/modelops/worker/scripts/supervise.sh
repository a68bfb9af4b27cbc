# Runs the user's command and leaves its exit code for the sidecar:
#
#     /modelops/bin/tini -g -- /modelops/bin/busybox sh /modelops/bin/supervise.sh COMMAND [ARGUMENT ...]
#
# The shell holds the pipe `alive` open as long as it runs. The kernel closes the pipe even when it kills the whole
# container, so the sidecar always notices the end, with or without an exit code. (A pipe and not a lock: the busybox of
# Debian has no flock.)
# tini -g sends each signal to the whole process group, and so to the command: nothing is forwarded here.
set -u

here=${0%/*}
busybox=$here/busybox
state=$here/../state

"$busybox" mkdir -p "$state" || exit 125
[ -p "$state/alive" ] || "$busybox" mkfifo "$state/alive" || exit 125
# Opened for reading and writing: opening for writing alone would wait for the sidecar.
exec 9<>"$state/alive" || exit 125
: >"$state/started" || exit 125

# The shell of busybox runs its own applets before anything in PATH. "sh", "tar" or "env" must be those of the image, so
# the program is looked up here.
find_program() {
    case $1 in
    */*)
        program=$1
        return 0
        ;;
    esac
    rest=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}:
    while [ -n "$rest" ]; do
        directory=${rest%%:*}
        rest=${rest#*:}
        program=${directory:-.}/$1
        if [ -f "$program" ] && [ -x "$program" ]; then
            return 0
        fi
    done
    return 1
}

finish() {
    # A signal reaches the whole group: it must not end `mv` now and lose the exit code.
    trap '' HUP INT QUIT TERM USR1 USR2
    echo "$1" >"$state/exit-code.new" && "$busybox" mv "$state/exit-code.new" "$state/exit-code"
    exit "$1"
}

if [ "$#" -eq 0 ] || [ -z "$1" ]; then
    echo "supervise.sh: no command given" >&2
    finish 127
fi
if ! find_program "$1"; then
    echo "supervise.sh: $1: not found" >&2
    finish 127
fi
shift

# Caught, not ignored: the children of a shell ignore the signals that it ignores.
trap : HUP INT QUIT TERM USR1 USR2
"$program" "$@" 9>&- &
child=$!

# A signal ends `wait` early, with a code that is not the command's.
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
wait "$child" 2>/dev/null
last=$?
[ "$last" -eq 127 ] || code=$last
finish "$code"
