# The model container's startup probe: the model answers some requests before its Pod gets any other.
#
#     /modelops/bin/busybox sh /modelops/bin/warm-up.sh DIRECTORY PORT READINESS_PATH
#
# In DIRECTORY are requests as they go over the wire, NN.request, and how often each is sent, NN.repeat. No text of a user's
# is ever part of a command. Ends with 1 and a sentence, which becomes an Event, unless all are answered with 2xx.
set -u

busybox=${0%/*}/busybox
patience=60

# Below nc, with the connection as standard input and output: it stays open until the answer is there, and servers that
# drop the answer to a client which hung up do not. Standard error is the script's own.
if [ "$1" = --talk ]; then
    "$busybox" cat "$2"
    IFS=' ' read -r _ status _ || exit 1
    "$busybox" cat >/dev/null
    echo "$status" >&2
    exit 0
fi

directory=$1
port=$2
path=$3
question=/tmp/.modelops-readiness.$$

ask() {
    "$busybox" nc -w 2 127.0.0.1 "$port" -e "$busybox" sh "$0" --talk "$1" 2>&1
}

printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >"$question" || exit 1
trap '"$busybox" rm -f "$question"' EXIT
end=$(($("$busybox" date +%s) + patience))
until status=$(ask "$question") && [ "$status" = 200 ]; do
    if [ "$("$busybox" date +%s)" -ge "$end" ]; then
        echo "the model is not ready for its warm-up: ${status:-no answer}"
        exit 1
    fi
    "$busybox" sleep 0.5
done

for request in "$directory"/*.request; do
    IFS=' ' read -r method what _ <"$request"
    read -r times <"${request%.request}.repeat"
    sent=0
    while [ "$sent" -lt "$times" ]; do
        sent=$((sent + 1))
        status=$(ask "$request")
        case $status in
        2[0-9][0-9]) ;;
        *)
            printf 'warm-up request %s %s was answered with %s\n' "$method" "$what" "${status:-nothing}"
            exit 1
            ;;
        esac
    done
done
