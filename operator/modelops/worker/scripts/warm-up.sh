# Startup probe of the model container: the model answers some requests before its Pod gets any traffic.
#
#     /modelops/bin/busybox sh /modelops/bin/warm-up.sh DIRECTORY PORT READINESS_PATH
#
# DIRECTORY has each request as bytes of HTTP/1.1, NN.request, and how often to send it, NN.repeat. A user's text is
# never part of a command. Unless every response is 2xx, the exit code is 1, and the output is one sentence, which the
# kubelet puts into an Event.
set -u

busybox=${0%/*}/busybox
ready_timeout=60

# Started by nc, with the connection as standard input and output. The connection stays open until the response has
# arrived, since some servers drop the response to a client that closed its side. Standard error is the script's own.
if [ "$1" = --exchange ]; then
    "$busybox" cat "$2"
    IFS=' ' read -r _ status _ || exit 1
    "$busybox" cat >/dev/null
    echo "$status" >&2
    exit 0
fi

directory=$1
port=$2
path=$3
readiness_request=/tmp/.modelops-readiness.$$

send() {
    "$busybox" nc -w 2 127.0.0.1 "$port" -e "$busybox" sh "$0" --exchange "$1" 2>&1
}

printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >"$readiness_request" || exit 1
trap '"$busybox" rm -f "$readiness_request"' EXIT
end=$(($("$busybox" date +%s) + ready_timeout))
until status=$(send "$readiness_request") && [ "$status" = 200 ]; do
    if [ "$("$busybox" date +%s)" -ge "$end" ]; then
        echo "the model is not ready for its warm-up: ${status:-no answer}"
        exit 1
    fi
    "$busybox" sleep 0.5
done

for request in "$directory"/*.request; do
    IFS=' ' read -r method target _ <"$request"
    read -r times <"${request%.request}.repeat"
    sent=0
    while [ "$sent" -lt "$times" ]; do
        sent=$((sent + 1))
        status=$(send "$request")
        case $status in
        2[0-9][0-9]) ;;
        *)
            printf 'warm-up request %s %s was answered with %s\n' "$method" "$target" "${status:-nothing}"
            exit 1
            ;;
        esac
    done
done
