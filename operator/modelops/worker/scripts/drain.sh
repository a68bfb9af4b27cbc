# preStop hook of the model container: keeps the model running until the requests in flight are answered.
#
#     /modelops/bin/busybox sh /modelops/bin/drain.sh [SECONDS BEFORE] [MAX SECONDS OF DRAINING] [MIN SECONDS]
#
# First, every node must have removed the Pod from the Service's endpoints. Then Envoy closes its listeners gracefully
# and answers the remaining requests. Even with no request left, more may come: proxies of another version's Pods keep
# an idle connection for up to 4 s, and learn only with their next request that it is closing. A drain therefore lasts
# longer than that. The exit code is always 0: a failed hook would only add an Event.
#
# The proxy answers only these two requests to this container, which runs the model and so any code.
set -u

busybox=${0%/*}/busybox
before=${1:-5}
max_seconds=${2:-30}
min_seconds=${3:-5}
host=127.0.0.1
port=15000

# HTTP by hand: the wget of a static busybox looks up the port of "http", which crashes with another C library's files.
# The pause keeps our side of the connection open: Envoy drops the response once the client has closed its side.
request() {
    { printf '%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" &&
        "$busybox" sleep 0.5; } | "$busybox" nc -w 2 "$host" "$port" 2>/dev/null
}

"$busybox" sleep "$before"
# nc fails if nothing listens. On a busy node Envoy may answer later than nc waits: the response is empty then, and the
# drain may not have begun.
for _ in 1 2 3 4 5; do
    response=$(request POST /drain) || exit 0
    [ -z "$response" ] || break
done

began=$("$busybox" date +%s)
"$busybox" sleep "$min_seconds"
while [ "$("$busybox" date +%s)" -lt $((began + max_seconds)) ]; do
    response=$(request GET /active) || break
    case $response in
    *"downstream_rq_active: 0"*) break ;;
    esac
done
exit 0
