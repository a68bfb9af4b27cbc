# The model container's preStop hook: lets the requests in flight end before the model does.
#
#     /modelops/bin/busybox sh /modelops/bin/drain.sh [SECONDS TO WAIT FIRST] [MOST SECONDS TO DRAIN] [LEAST SECONDS]
#
# First the Pod must be out of the Service's endpoints everywhere; then Envoy asks its clients to go, and answers what is
# left. For a moment there may be nothing left, and yet more to come: the proxies of another version's Pods keep a
# connection for up to 4 s after they used it last, and are told to go only when they use it again. So a drain lasts
# longer than that. Always ends with 0: a hook that fails would only add an Event.
set -u

busybox=${0%/*}/busybox
before=${1:-5}
most=${2:-30}
least=${3:-5}
host=127.0.0.1
port=15000

# By hand, since the wget of a static busybox looks up the port of "http", which crashes in images of another C library.
# The pause keeps our side open: Envoy drops an answer when the asker has hung up.
ask() {
    { printf '%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" &&
        "$busybox" sleep 0.5; } | "$busybox" nc -w 2 "$host" "$port" 2>/dev/null
}

"$busybox" sleep "$before"
ask POST '/drain_listeners?graceful&skip_exit' >/dev/null || exit 0

began=$("$busybox" date +%s)
"$busybox" sleep "$least"
while [ "$("$busybox" date +%s)" -lt $((began + most)) ]; do
    answer=$(ask GET '/stats?filter=http.ingress.downstream_rq_active&format=text') || break
    case $answer in
    "" | *"downstream_rq_active: "[1-9]*) ;;
    *) break ;;
    esac
done
exit 0
